//! The attempt loop.

use std::sync::{Arc, OnceLock};

use http::HeaderValue;
use schemas::event::{AttemptError, Outcome};
use tokio::time::Instant;

use super::reach::{Reach, Reached};
use super::verdict::{Failed, verdict};
use super::{Client, End, Exchange, Running};
use crate::call::Call;
use crate::error::{Error, Kind};
use crate::http::error::status;
use crate::providers::{self, Outbound};
use crate::reply::Tally;
use crate::routing::{Course, Plan, Target, Then};
use crate::usage::Ticket;

/// Where vendors tell their id of a request: OpenAI and its like, Anthropic, Amazon.
const REQUEST_IDS: [&str; 3] = ["x-request-id", "request-id", "x-amzn-requestid"];

/// Asks the targets of the plan, best first, until one gives content or a whole answer.
///
/// # Errors
/// None did; the call is then settled as failed.
///
/// # Cancel safety
/// Dropped, it closes the connection to the provider and settles the call as cancelled.
pub async fn attempt(
    client: &Client,
    mut call: Call,
    plan: Plan,
    ticket: Ticket,
) -> Result<Exchange, Error> {
    let mut running = Running::new(client, &mut call, ticket);
    match run(client, &mut call, &plan, &mut running).await {
        Ok((target, Reached { head, answer, content_type, dropped }, route)) => Ok(Exchange {
            route,
            call: running.call(),
            attempts: running.attempts(),
            running,
            target,
            status: head.status,
            content_type,
            dropped,
            request_id: REQUEST_IDS.iter().find_map(|name| head.headers.get(*name)).cloned(),
            answer,
        }),
        Err(error) => {
            let end = End {
                outcome: Outcome::Failed,
                error: Some(error.kind.code()),
                status: error
                    .passed
                    .as_ref()
                    .map_or_else(|| status(error.kind), |passed| passed.status),
                attempt: AttemptError::Other,
            };
            if let Some(settled) = running.settle(end, &Tally::default()) {
                settled.durable().await;
            }
            Err(error)
        }
    }
}

async fn run(
    client: &Client,
    call: &mut Call,
    plan: &Plan,
    running: &mut Running,
) -> Result<(Arc<Target>, Reached, HeaderValue), Error> {
    let start = Instant::now();
    let clock = &client.0.options.clock;
    let (mut failed, mut refused): (Vec<Failed>, Option<Error>) = (Vec::new(), None);
    let local = Arc::clone(&client.0.options.local);
    let mut course = Course::new(plan, &local, clock.now(), call.id.seed());
    'targets: while let Some(planned) = course.target() {
        let target = &planned.target;
        let deadline = start + target.endpoint.deadlines.total;
        // where a target can't do what is asked, another one may
        let outbound = match outbound(client, call, target).await {
            Ok(outbound) => outbound,
            Err(error) => {
                refused.get_or_insert(error);
                course.passed_over();
                continue;
            }
        };
        let reach = Reach { client, call, planned, deadline };
        loop {
            let failure = match reach.run(outbound.clone(), running).await {
                Ok(reached) => return Ok((Arc::clone(target), reached, way(plan, &failed))),
                Err(failure) => failure,
            };
            running.end_attempt(failure.failure.error, failure.failure.retry_after);
            let left = deadline.saturating_duration_since(Instant::now());
            let then = course.failed(&failure.failure, failure.stale, left, clock.now());
            failed.push(failure);
            match then {
                Then::Again(wait) => tokio::time::sleep(wait).await,
                Then::Other => continue 'targets,
                Then::Stop => break 'targets,
            }
        }
    }
    let error = verdict(failed, refused);
    if error.kind == Kind::Internal {
        tracing::error!("a plan without targets");
    }
    Err(error)
}

/// Why the answer is from where it is, for the client: `weighted; openai=rate_limit`.
fn way(plan: &Plan, failed: &[Failed]) -> HeaderValue {
    let why = plan.why.as_str();
    let name = |one: &Failed| format!("; {}={}", one.provider, one.failure.error.as_str());
    let told = match failed {
        [] => None,
        failed => {
            HeaderValue::try_from(failed.iter().fold(why.to_owned(), |all, one| all + &name(one)))
                .ok()
        }
    };
    told.unwrap_or_else(|| HeaderValue::from_static(why))
}

/// The request to a target, which holds the media themselves where it must.
async fn outbound(client: &Client, call: &mut Call, target: &Target) -> Result<Outbound, Error> {
    if providers::wants_media(call, target) {
        let mut asked = Arc::unwrap_or_clone(call.asked()?);
        client.0.media.bring(&mut asked).await?;
        call.asked = OnceLock::from(Ok(Arc::new(asked)));
    }
    providers::encode(call, target)
}
