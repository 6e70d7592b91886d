//! The peers of all cases, and what is read from the proxy beside its answers.

use std::{collections::BTreeMap, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use parking_lot::Mutex;
use tests_support::{BoxError, Http, Metrics, TestBody, Upstream, empty, frames, full};

/// What the upstream saw of the requests, by the case in their path.
pub(crate) type Sightings = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// The upstream that all cases share. `x-want` chooses the answer: `nothing`, `trailers`,
/// `pieces`; without it a short body.
pub(crate) async fn app(sightings: &Sightings) -> Upstream {
    let sightings = Arc::clone(sightings);
    Upstream::serve(Http::Two, move |request| answer(request, Arc::clone(&sightings))).await
}

async fn answer(
    request: http::Request<Incoming>,
    sightings: Sightings,
) -> Result<Response<TestBody>, BoxError> {
    let (head, body) = request.into_parts();
    let wish = head.headers.get("x-want").map(|value| value.as_bytes().to_vec());
    let case = head.headers.get("x-case").and_then(|value| value.to_str().ok());
    let case = case.unwrap_or("nobody").to_owned();
    let mut seen = format!("{} {}", head.method, head.uri.path());
    seen.push_str(&shown_fields(&head.headers));
    match body.collect().await {
        Ok(body) => {
            let trailers = body.trailers().cloned().unwrap_or_default();
            let bytes = body.to_bytes();
            if !bytes.is_empty() {
                seen.push_str(&format!(" body={}", shown_bytes(&bytes)));
            }
            if !trailers.is_empty() {
                seen.push_str(&format!(" trailers:{}", shown_fields(&trailers)));
            }
        }
        Err(_broken) => seen.push_str(" broken off"),
    }
    sightings.lock().entry(case).or_default().push(seen);
    let body = match wish.as_deref() {
        Some(b"nothing") => empty(),
        Some(b"trailers") => {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-up-trailer", HeaderValue::from_static("up"));
            frames([Frame::data("answer".into()), Frame::trailers(trailers)])
        }
        Some(b"pieces") => frames(["one ", "two ", "three"].map(|one| Frame::data(one.into()))),
        _ => full("answer"),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert("x-upstream", HeaderValue::from_static("yes"));
    Ok(response)
}

/// The cluster that the plugin asks.
pub(crate) async fn asked() -> Upstream {
    Upstream::serve(Http::One, |request| async move {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let asked = head.headers.get("x-asked").map_or("no", |_value| "yes");
        let mut response = match head.uri.path() {
            "/silence" => std::future::pending().await,
            "/refused" => Response::new(full("no")),
            "/echo" => {
                let body = String::from_utf8_lossy(&body);
                Response::new(full(format!("{} asked={asked} body={body}", head.method)))
            }
            _ => {
                let mut trailers = HeaderMap::new();
                trailers.insert("x-trailer", HeaderValue::from_static("last"));
                let data = Frame::data("known".into());
                Response::new(frames([data, Frame::trailers(trailers)]))
            }
        };
        if head.uri.path() == "/refused" {
            *response.status_mut() = StatusCode::FORBIDDEN;
        }
        let name = HeaderName::from_static("x-answer");
        response.headers_mut().insert(name, HeaderValue::from_static("ada"));
        Ok(response)
    })
    .await
}

/// The fields that cases look at, in the order of their names.
pub(crate) fn shown_fields(headers: &HeaderMap) -> String {
    let mut shown: Vec<String> = headers
        .iter()
        .filter(|(name, _value)| {
            let name = name.as_str();
            name.starts_with("x-")
                && !["x-case", "x-want", "x-request-id"].contains(&name)
                && !name.starts_with("x-forwarded")
        })
        .map(|(name, value)| format!(" {name}={}", shown_bytes(value.as_bytes())))
        .collect();
    // Values of one name keep their order.
    shown.sort_by(|a, b| a.split('=').next().cmp(&b.split('=').next()));
    shown.concat()
}

/// Short bytes as text, long ones by their number.
pub(crate) fn shown_bytes(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 400;
    if bytes.len() > SHOWN_MAX {
        return format!("({} bytes)", bytes.len());
    }
    format!("{:?}", String::from_utf8_lossy(bytes))
}

/// What the plugin logged in a case, with the level.
pub(crate) fn logged(log: &str, case: &str) -> Vec<String> {
    let mark = format!("matrix[{case}] ");
    let lines = log.lines().filter_map(|line| {
        let (before, rest) = line.split_once(&mark)?;
        let levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"];
        let level = levels.iter().find(|level| before.contains(**level)).unwrap_or(&"?");
        // Behind the message comes who wrote it.
        let message = rest.split(" plugin=").next().unwrap_or_default();
        Some(format!("{} {message}", level.to_ascii_lowercase()))
    });
    lines.collect()
}

/// The metrics that plugins defined for a case.
pub(crate) fn counted(metrics: &Metrics, case: &str) -> Vec<String> {
    let prefix = format!("plugin_{case}_");
    let ours = metrics
        .samples
        .iter()
        .filter(|sample| sample.name.starts_with(&prefix) && !sample.name.ends_with("_bucket"));
    ours.map(|sample| format!("{} {}", sample.name, sample.value)).collect()
}

/// What the proxy counted of plugins in a case: the difference of two readings.
///
/// Some backends make a filter before its first callback, and are tried once more with a fresh
/// instance where that fails; so of a filter that cannot be made faults are not counted.
pub(crate) fn faults(before: &Metrics, now: &Metrics, case: &str) -> Vec<String> {
    let of = ("plugin", "it");
    let counts = !case.contains("panic_create");
    let kinds = [
        "load_failed",
        "trapped",
        "timed_out",
        "out_of_memory",
        "crashed",
        "protocol",
        "denied",
        "instance_lost",
    ];
    let name = "mortise_plugin_faults_total";
    let difference =
        |name: &str, labels: &[(&str, &str)]| now.sum(name, labels) - before.sum(name, labels);
    let mut found: Vec<String> = kinds
        .iter()
        .map(|kind| (kind, difference(name, &[of, ("kind", kind)])))
        .filter(|(_kind, count)| *count != 0.0)
        .map(|(kind, count)| match counts {
            true => format!("fault {kind} {count}"),
            false => format!("fault {kind}"),
        })
        .collect();
    let open = difference("mortise_plugin_fail_open_total", &[of]);
    if open != 0.0 {
        found.push(format!("went on without {open}"));
    }
    found
}
