//! Limits and budgets, on calls through a gateway's own routes and between gateways of one log.
#![cfg(test)]

mod budgets;
mod calls;
mod rig;
mod shared;
