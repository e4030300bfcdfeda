//! nginx as the fixed upstream and as the plain reverse proxy that others are measured beside.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::process::{Process, free_address, listens};

/// A running nginx with one worker.
#[derive(Debug)]
pub struct Nginx {
    /// Its process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it proxies streams, unbuffered; the same as `address` for the upstream.
    pub streams: SocketAddr,
}

/// Answers everything with `body`, as fast as nginx can.
///
/// # Errors
/// nginx is not installed, or does not start.
pub fn upstream(folder: &Path, body: &[u8]) -> anyhow::Result<Nginx> {
    let address = free_address()?;
    let body = std::str::from_utf8(body)?;
    let server = format!(
        "server {{ listen {address}; location / {{ default_type application/json; return 200 '{body}'; }} }}"
    );
    start("upstream", folder, &server, address, address)
}

/// Passes everything on to `whole`, and on its other address to `streams`, over kept connections.
///
/// # Errors
/// As [`upstream`].
pub fn proxy(folder: &Path, whole: SocketAddr, streams: SocketAddr) -> anyhow::Result<Nginx> {
    let (address, unbuffered) = (free_address()?, free_address()?);
    let server = |listen: SocketAddr, name: &str, to: SocketAddr, buffering: &str| {
        format!(
            "upstream {name} {{ server {to}; keepalive 128; keepalive_requests 1000000000; }}
             server {{ listen {listen}; location / {{
               proxy_pass http://{name}; proxy_http_version 1.1; proxy_set_header Connection \"\";
               proxy_buffering {buffering}; }} }}"
        )
    };
    let servers =
        server(address, "whole", whole, "on") + &server(unbuffered, "streams", streams, "off");
    start("proxy", folder, &servers, address, unbuffered)
}

fn start(
    name: &str,
    folder: &Path,
    servers: &str,
    address: SocketAddr,
    streams: SocketAddr,
) -> anyhow::Result<Nginx> {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder)?;
    let here = folder.display();
    let config = format!(
        "worker_processes 1; daemon off; master_process off; pid {here}/pid; error_log {here}/error.log warn;
         events {{ worker_connections 1024; }}
         http {{
           access_log off; tcp_nodelay on; keepalive_timeout 1h; keepalive_requests 1000000000;
           client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;
           uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;
           {servers}
         }}"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, config)?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&folder).arg("-c").arg(&file).arg("-e").arg(folder.join("error.log"));
    let mut process = Process::start("nginx", &mut command, &folder.join("out.log"))
        .context("nginx is needed (Debian: apt-get install nginx-light)")?;
    process.until("listened", || listens(address))?;
    Ok(Nginx { process, address, streams })
}
