//! A hub's container as a process: the image's entrypoint with the service's command and variables,
//! and addresses and paths of this machine in place of those inside.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::process::{PATIENCE, Process, free_address};

use crate::file::{Compose, Service, root};
use crate::image::Image;
use crate::rig::{binary, eventually, variable};

/// One service.
pub(crate) struct Container {
    pub(crate) name: String,
    /// Where callers connect, when it is a gateway.
    pub(crate) listen: SocketAddr,
    arguments: Vec<String>,
    healthcheck: Vec<String>,
    variables: BTreeMap<String, String>,
    log: PathBuf,
}

impl Container {
    /// The service `name`. `others` are the addresses inside of what it needs, and where that is
    /// here; `given` is what the caller sets.
    pub(crate) fn new(
        compose: &Compose,
        name: &str,
        folder: &Path,
        others: &[(&str, String)],
        given: &[(&str, &str)],
    ) -> Self {
        let (image, service) = (Image::of_the_hub(), &compose.services[name]);
        let (listen, admin) = (free_address().unwrap(), free_address().unwrap());
        let data = folder.join(name);
        std::fs::create_dir_all(&data).unwrap();
        let mut places = vec![
            ("0.0.0.0:8787".to_owned(), listen.to_string()),
            ("0.0.0.0:8788".to_owned(), admin.to_string()),
            (image.variables()["HUB_DATA"].clone(), data.display().to_string()),
        ];
        places.extend(mounted(compose, service));
        places.extend(others.iter().map(|(inside, here)| ((*inside).to_owned(), here.clone())));
        let set = |name: &str| given.iter().find(|(known, _)| *known == name);
        let said = service.variables(|name| set(name).map(|(_, value)| (*value).to_owned()));
        let mut variables = image.variables();
        variables.extend(said.unwrap());
        for value in variables.values_mut() {
            for (inside, here) in &places {
                *value = value.replace(inside, here);
            }
            for other in compose.services.keys() {
                assert!(!value.contains(&format!("{other}:")), "{name} looks for {other}: {value}");
            }
        }
        let log = folder.join(format!("{name}.log"));
        let arguments = [image.list("ENTRYPOINT"), service.command.clone()].concat();
        let healthcheck = service.healthcheck.test[1..].to_vec();
        Self { name: name.to_owned(), listen, arguments, healthcheck, variables, log }
    }

    /// Starts it.
    pub(crate) fn start(&self) -> Process {
        Process::start(&self.name, &mut self.command(&self.arguments), &self.log).unwrap()
    }

    /// Waits until its own check says that it is well.
    pub(crate) fn healthy(&self, process: &mut Process) {
        let mut said = String::new();
        let healthy = process.until("was healthy", || {
            let output = self.command(&self.healthcheck).output().unwrap();
            said = String::from_utf8_lossy(&output.stderr).into_owned();
            output.status.success()
        });
        healthy.unwrap_or_else(|error| panic!("{error}: {said}\n{}", self.said()));
    }

    /// The settings that it would run with.
    pub(crate) fn settings(&self) -> toml::Table {
        let output = self.command(&["hub".to_owned(), "config".to_owned()]).output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", self.name);
        String::from_utf8(output.stdout).unwrap().parse().unwrap()
    }

    /// The end of what it printed.
    pub(crate) fn said(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn command(&self, line: &[String]) -> Command {
        let [program, arguments @ ..] = line else { panic!("{}: no command", self.name) };
        assert_eq!(program, "hub", "{}", self.name);
        let mut command = Command::new(binary());
        command.args(arguments).env_clear().envs(&self.variables);
        command.env("PATH", variable("PATH").unwrap());
        command
    }
}

/// Files of the repository where the service finds them.
fn mounted(compose: &Compose, service: &Service) -> Vec<(String, String)> {
    let here = |source: &str| root().join(&compose.configs[source].file).display().to_string();
    service.configs.iter().map(|mount| (mount.target.clone(), here(&mount.source))).collect()
}

/// A ClickHouse with the hub's engine and users, in place of the server; and its writer's password.
pub(crate) fn clickhouse(folder: &Path) -> (Process, SocketAddr, String) {
    let listen = free_address().unwrap();
    let data = folder.join("clickhouse");
    let mut command = Command::new(binary());
    command.args(["clickhouse", "--listen", &listen.to_string()]);
    command.arg("--data-dir").arg(&data).arg("--library").arg(crate::rig::library());
    let log = folder.join("clickhouse.log");
    let process = Process::start("clickhouse", &mut command, &log).unwrap();
    let password = eventually("the password of ClickHouse", PATIENCE, || {
        std::fs::read_to_string(data.join("hub.password")).ok()
    });
    (process, listen, password.trim_end().to_owned())
}
