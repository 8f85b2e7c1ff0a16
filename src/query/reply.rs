//! From the body of an HTTP reply to bencode, and what both kinds of reply have in common.

use std::time::Duration;

use super::failure::{Failure, Kind, Retry};
use super::finding::Finding;
use super::http::Fetched;
use super::text::shown;
use crate::limits::{self, query as query_limits};
use crate::protocol::bencode::lenient::{self, Node};
use crate::protocol::bencode::{DecodeError, Fault, Limits};
use crate::protocol::http::RetryIn;
use crate::protocol::http::client::Said;

/// Reads the dictionary in a reply.
///
/// # Errors
/// When there is none, or the status is not 200 and there is no reason in it.
pub(super) fn decode<'a>(
    fetched: &'a Fetched,
    body_max: usize,
    findings: &mut Vec<Finding>,
) -> Result<Node<'a>, Failure> {
    let limits = Limits {
        depth_max: limits::BENCODE_DEPTH_MAX,
        values_max: body_max / query_limits::BODY_PER_VALUE,
    };
    let decoded = lenient::decode(&fetched.body, &limits);
    let is_ok = fetched.status.as_u16() == 200;
    match decoded {
        Ok(read) if is_ok || read.value.get("failure reason").is_some() => {
            read.overlooked.iter().for_each(|error| findings.push(overlooked(error)));
            if !is_ok {
                let text = format!("a bencoded reply came with HTTP {}", fetched.status);
                findings.push(Finding::new("http-status", text));
            }
            match read.value {
                Node::Dict(_) => Ok(read.value),
                other => {
                    let text = format!("reply is {}, expected a dictionary", other.kind());
                    Err(Failure::new(Kind::Malformed, "decode", text))
                }
            }
        }
        Ok(_) | Err(_) if !is_ok => Err(http_failure(fetched)),
        Err(error) => Err(Failure::new(Kind::Malformed, "decode", why(&error, &fetched.body))),
        Ok(_) => Err(http_failure(fetched)),
    }
}

fn http_failure(fetched: &Fetched) -> Failure {
    let status = fetched.status;
    let text = if status.is_success() {
        format!("HTTP {}: expected 200", status.as_u16())
    } else {
        format!("HTTP {status}")
    };
    let retry = match fetched.retry_after {
        _ if !(status.is_server_error() || status.as_u16() == 429) => Retry::Never,
        Some(after) => Retry::After(after),
        None => Retry::Anytime,
    };
    Failure::new(Kind::Http, "headers", text).with_retry(retry)
}

fn why(error: &DecodeError, body: &[u8]) -> String {
    match (error.fault, body.get(error.at)) {
        (_, _) if body.is_empty() => "reply is empty".to_owned(),
        (Fault::NoValue, Some(byte)) => {
            format!("reply is not bencode: unexpected {:?} at byte {}", char::from(*byte), error.at)
        }
        _ => format!("reply is {error}"),
    }
}

fn overlooked(error: &DecodeError) -> Finding {
    let (id, what) = match error.fault {
        Fault::KeyOrder => ("bencode-unsorted", "keys are not sorted"),
        Fault::KeyTwice => ("bencode-duplicate-key", "a key comes twice; the last one counts"),
        Fault::Trailing => ("bencode-trailing", "there are bytes behind the reply"),
        _ => ("bencode-leading-zero", "a number has a zero or a sign too many"),
    };
    Finding::new(id, format!("{what}, at byte {}", error.at))
}

/// What a reply says against the request: the reason, and the failure that it makes.
///
/// # Errors
/// When the reason is no text.
pub(super) fn refusal(
    said: &Said<'_>,
    step: &'static str,
    findings: &mut Vec<Finding>,
) -> Result<Option<(String, Failure)>, Failure> {
    if said.wrong_types.contains(&"failure reason") {
        let text = "the failure reason is not a string";
        return Err(Failure::new(Kind::Malformed, "decode", text));
    }
    for key in &said.wrong_types {
        let text = format!("{key:?} has the wrong type and is left out");
        findings.push(Finding::new("field-type", text));
    }
    let Some(reason) = said.failure_reason else { return Ok(None) };
    if reason.is_empty() {
        let text = "there is a failure reason, and it is empty";
        findings.push(Finding::new("failure-empty", text));
        return Ok(None);
    }
    if said.has_more {
        let text = "a failure reason came together with other keys";
        findings.push(Finding::new("failure-with-data", text));
    }
    let reason = shown(reason);
    let retry = match said.retry_in {
        None => Retry::IfRefused,
        Some(RetryIn::Never) => Retry::Never,
        Some(RetryIn::Minutes(minutes)) => {
            Retry::After(Duration::from_secs(u64::from(minutes) * 60))
        }
    };
    let failure = Failure::new(Kind::Refused, step, reason.clone()).with_retry(retry);
    Ok(Some((reason, failure)))
}
