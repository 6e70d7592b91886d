//! Routes: a condition with what happens to the requests that it takes.

use bytes::Bytes;
use host_extension::{ExtensionPoint, FilterUse};
use host_router::{
    Forward, HostRewrite, PathRewrite, Redirect, RedirectPath, RegexRewrite, Respond, Retry, Route,
    RouteAction, WeightedClusters,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING, UPGRADE},
    uri::{Authority, PathAndQuery, Scheme},
};

use super::{
    Scope,
    condition::{condition, one_of},
    instance::filters,
    milliseconds,
    protocol::Streams,
};
use crate::{
    cursor::Cursor,
    model::{
        HostRewriteConfig, RedirectConfig, RespondConfig, RetryConfig, RetryReasonConfig,
        RewriteConfig, RouteConfig, SchemeWord, WeightedClusterConfig,
    },
};

/// Longest time of a stream where the file says nothing.
pub(super) const DEFAULT_TIMEOUT_MS: u32 = 15_000;

/// The routes of one virtual host; the filters of each are added to `route_filters`.
pub(super) fn routes(
    models: &[RouteConfig],
    streams: Streams,
    at: &Cursor<'_>,
    scope: &Scope<'_>,
    route_filters: &mut Vec<Vec<FilterUse>>,
) -> Vec<Route> {
    let routes = at.zip(models).filter_map(|(at, model)| {
        let condition = condition(&model.condition, streams, &at.key("match"), scope);
        let action = action(model, streams, &at, scope);
        route_filters.push(filters(
            &model.stream_filters,
            ExtensionPoint::StreamFilter,
            &at.key("stream_filters"),
            scope,
        ));
        Some(Route {
            name: model.name.as_deref().map(Into::into),
            condition: condition?,
            action: action?,
        })
    });
    routes.collect()
}

fn action(
    model: &RouteConfig,
    streams: Streams,
    at: &Cursor<'_>,
    scope: &Scope<'_>,
) -> Option<RouteAction> {
    let given = [
        ("cluster", model.cluster.is_some()),
        ("clusters", model.clusters.is_some()),
        ("redirect", model.redirect.is_some()),
        ("respond", model.respond.is_some()),
    ];
    let key = one_of(&given, at, "a route")?;
    let forwards = model.cluster.is_some() || model.clusters.is_some();
    let only_forwarding = [
        ("rewrite", model.rewrite.is_some()),
        ("host_rewrite", model.host_rewrite.is_some()),
        ("timeout_ms", model.timeout_ms.is_some()),
        ("retry", model.retry.is_some()),
    ];
    for (other, _) in only_forwarding.iter().filter(|(_, given)| *given && !forwards) {
        let message = format!("`{other}` means nothing beside `{key}`");
        at.name(other).refuse::<()>(message, "only for requests that go to a cluster");
    }
    check_streams(model, streams, at);
    if let Some(model) = &model.redirect {
        return redirect(model, &at.key("redirect")).map(RouteAction::Redirect);
    }
    if let Some(model) = &model.respond {
        return respond(model, streams, &at.key("respond")).map(RouteAction::Respond);
    }
    forward(model, at, scope).map(RouteAction::Forward)
}

/// Refuses what has no meaning for what the listener speaks.
fn check_streams(model: &RouteConfig, streams: Streams, at: &Cursor<'_>) {
    let only_http = [
        ("rewrite", model.rewrite.is_some()),
        ("host_rewrite", model.host_rewrite.is_some()),
        ("redirect", model.redirect.is_some()),
    ];
    for (key, _) in only_http.iter().filter(|(_, given)| *given && streams.has_frames()) {
        let message = format!("a route of a listener with codecs has no `{key}`");
        let help = "give HTTP a listener of its own";
        at.name(key).refuse_with::<()>(message, "frames have no path and no host", help);
    }
    if model.retry.is_some() && streams == Streams::Http {
        let message = "`retry` means nothing where the listener's `protocol` has no codec";
        at.name("retry").refuse::<()>(message, "requests of HTTP are not sent again");
    }
}

fn forward(model: &RouteConfig, at: &Cursor<'_>, scope: &Scope<'_>) -> Option<Forward> {
    let clusters = match (&model.cluster, &model.clusters) {
        (Some(name), _) => scope.cluster(name, &at.key("cluster")).map(WeightedClusters::one),
        (None, Some(models)) => weighted(models, &at.key("clusters"), scope),
        (None, None) => None,
    };
    let at_rewrite = at.key("rewrite");
    let path_rewrite = model.rewrite.as_ref().map(|model| rewrite(model, &at_rewrite, scope));
    let host_rewrite = host_rewrite(model.host_rewrite.as_ref(), &at.key("host_rewrite"));
    let timeout_ms = model.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS);
    Some(Forward {
        clusters: clusters?,
        path_rewrite: match path_rewrite {
            Some(rewrite) => Some(rewrite?),
            None => None,
        },
        host_rewrite: host_rewrite?,
        timeout: (timeout_ms > 0).then(|| milliseconds(timeout_ms)),
        frame_timeout: model.timeout_ms.filter(|time| *time > 0).map(milliseconds),
        retry: model.retry.as_ref().map(retry).unwrap_or_default(),
    })
}

fn retry(model: &RetryConfig) -> Retry {
    let on_statuses = model.on.iter().filter_map(|reason| match reason {
        RetryReasonConfig::Status(status) => Some(*status),
        RetryReasonConfig::Word(_) => None,
    });
    let on_reset = model.on.iter().any(|reason| matches!(reason, RetryReasonConfig::Word(_)));
    Retry { max: model.max, on_reset, on_statuses: on_statuses.collect() }
}

fn weighted(
    models: &[WeightedClusterConfig],
    at: &Cursor<'_>,
    scope: &Scope<'_>,
) -> Option<WeightedClusters> {
    let clusters = at.zip(models).map(|(at, model)| {
        let name = scope.cluster(&model.name, &at.key("name"))?;
        Some((name, model.weight))
    });
    let clusters: Vec<Option<_>> = clusters.collect();
    let clusters = clusters.into_iter().collect::<Option<Vec<_>>>()?;
    match WeightedClusters::new(clusters) {
        Ok(clusters) => Some(clusters),
        Err(error) => at.refuse(error.to_string(), "all weights are 0"),
    }
}

fn rewrite(model: &RewriteConfig, at: &Cursor<'_>, scope: &Scope<'_>) -> Option<PathRewrite> {
    let given = [("prefix", model.prefix.is_some()), ("regex", model.regex.is_some())];
    one_of(&given, at, "a rewrite")?;
    if let Some(prefix) = &model.prefix {
        if model.substitution.is_some() {
            let message = "`substitution` means nothing beside `prefix`";
            return at.name("substitution").refuse(message, "only for `regex`");
        }
        return path_text(prefix, &at.key("prefix")).map(|path| PathRewrite::Prefix(path.into()));
    }
    let regex = model.regex.as_deref()?;
    let Some(substitution) = &model.substitution else {
        return if at.is_whole() {
            let message = "a rewrite with `regex` needs `substitution`";
            at.name("regex").refuse(message, "what replaces it?")
        } else {
            None
        };
    };
    scope.count_pattern(&at.key("regex"))?;
    match RegexRewrite::new(regex, substitution) {
        Ok(rewrite) => Some(PathRewrite::Regex(rewrite)),
        Err(error) => {
            let of_group = matches!(error, host_router::PatternError::UnknownGroup(_));
            let at = at.key(if of_group { "substitution" } else { "regex" });
            at.refuse(error.to_string(), "not usable")
        }
    }
}

fn host_rewrite(model: Option<&HostRewriteConfig>, at: &Cursor<'_>) -> Option<HostRewrite> {
    match model {
        None => Some(HostRewrite::Keep),
        Some(HostRewriteConfig::Word(_)) => Some(HostRewrite::Endpoint),
        Some(HostRewriteConfig::Fixed(fixed)) => match fixed.host.parse::<Authority>() {
            Ok(host) if !fixed.host.contains('@') => Some(HostRewrite::Fixed(host)),
            Ok(_) | Err(_) => {
                at.key("host").refuse(format!("`{}` is no host", fixed.host), "no host")
            }
        },
    }
}

fn redirect(model: &RedirectConfig, at: &Cursor<'_>) -> Option<Redirect> {
    let path = match (&model.path, &model.prefix) {
        (Some(_), Some(_)) => {
            let message = "a redirect has `prefix` beside `path`";
            return at.name("prefix").refuse(message, "one of them is too much");
        }
        (Some(path), None) => Some(RedirectPath::Full(path_text(path, &at.key("path"))?.into())),
        (None, Some(prefix)) => {
            Some(RedirectPath::Prefix(path_text(prefix, &at.key("prefix"))?.into()))
        }
        (None, None) => None,
    };
    let moved = model.scheme.is_some() || model.host.is_some() || model.port.is_some();
    if !moved && path.is_none() && !model.strip_query {
        return if at.is_whole() {
            let help = "say what is different: `scheme`, `host`, `port`, `path` or `prefix`";
            let label = "the client would come back for ever";
            at.refuse_with("the redirect changes nothing", label, help)
        } else {
            None
        };
    }
    let host = match model.host.as_deref() {
        Some(host) if !is_host(host) => {
            let at = at.key("host");
            return at.refuse(format!("`{host}` is no host without a port"), "no host");
        }
        host => host.map(Into::into),
    };
    Some(Redirect {
        status: StatusCode::from_u16(model.status).ok()?,
        scheme: model.scheme.map(|scheme| match scheme {
            SchemeWord::Http => Scheme::HTTP,
            SchemeWord::Https => Scheme::HTTPS,
        }),
        host,
        port: model.port,
        path,
        strip_query: model.strip_query,
    })
}

fn is_host(text: &str) -> bool {
    let authority = text.parse::<Authority>();
    authority.is_ok_and(|authority| authority.host() == text && !text.is_empty())
}

/// A text that can stand in the place of a path.
fn path_text<'t>(text: &'t str, at: &Cursor<'_>) -> Option<&'t str> {
    let valid = text.starts_with('/') && !text.contains(['?', '#']);
    if valid && text.parse::<PathAndQuery>().is_ok() {
        return Some(text);
    }
    at.refuse(format!("`{text}` is no path: it must begin with `/`, without a query"), "no path")
}

fn respond(model: &RespondConfig, streams: Streams, at: &Cursor<'_>) -> Option<Respond> {
    let mut headers = HeaderMap::new();
    let at_headers = at.key("headers");
    for (name, value) in &model.headers {
        let at = at_headers.name(name);
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            return at.refuse(format!("`{name}` is no name of a header field"), "no field name");
        };
        let framing = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE];
        if framing.contains(&name) {
            return at.refuse(format!("`{name}` is written by the proxy"), "cannot be set");
        }
        let Ok(value) = HeaderValue::from_str(value) else {
            let at = at_headers.key(name.as_str());
            return at.refuse("the value has characters that no header field may have", "here");
        };
        headers.insert(name, value);
    }
    let body = model.body.as_deref().unwrap_or_default();
    if !body.is_empty() && streams != Streams::Frames && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    let status = StatusCode::from_u16(model.status).ok()?;
    Some(Respond { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) })
}
