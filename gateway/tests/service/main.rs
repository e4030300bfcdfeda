//! The way out and back: attempt loop and relay against a scripted provider on loopback, with a
//! real outbox. Time is paused: it moves only when everything waits.
#![cfg(test)]

mod accounting;
mod check;
mod custom;
mod deadlines;
mod discovery;
mod failover;
mod flow;
mod inside;
mod log;
mod matrix;
mod media;
mod passing;
mod rig;
mod scripted;
mod wire;
