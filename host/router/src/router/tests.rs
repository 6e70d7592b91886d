use http::{HeaderMap, StatusCode, uri::Scheme};
use proptest::prelude::*;

use super::*;
use crate::{
    HostRewrite, PathMatch, PathRewrite, RegexRewrite, Retry, RouteCondition, RpcMatch,
    VirtualHost, WeightedClusters,
};

fn forward(prefix: &str, cluster: &str) -> Route {
    Route {
        name: Some(cluster.into()),
        condition: RouteCondition::path(PathMatch::Prefix(prefix.into())),
        action: RouteAction::Forward(Forward {
            clusters: WeightedClusters::one(cluster.into()),
            path_rewrite: Some(PathRewrite::Prefix("/up".into())),
            host_rewrite: HostRewrite::Keep,
            timeout: None,
            frame_timeout: None,
            retry: Retry::default(),
        }),
    }
}

fn virtual_host(name: &str, domains: &[&str], routes: Vec<Route>) -> VirtualHost {
    let domains = domains.iter().map(|domain| domain.parse().unwrap()).collect();
    VirtualHost { name: name.into(), domains, routes }
}

fn hosts() -> Vec<VirtualHost> {
    let redirect = Redirect {
        status: StatusCode::FOUND,
        scheme: Some(Scheme::HTTPS),
        host: None,
        port: None,
        path: None,
        strip_query: false,
    };
    let mut regex = forward("/", "regex");
    if let RouteAction::Forward(forward) = &mut regex.action {
        let rewrite = RegexRewrite::new("/(.*)/(.)", "/$2/$1").unwrap();
        forward.path_rewrite = Some(PathRewrite::Regex(rewrite));
    }
    let secure = Route {
        name: None,
        condition: RouteCondition::path(PathMatch::Prefix("/s".into())),
        action: RouteAction::Redirect(redirect),
    };
    vec![
        virtual_host("star", &["*"], vec![secure, forward("/", "star")]),
        virtual_host("exact", &["a.b"], vec![forward("/x", "ax"), forward("/x/y", "axy")]),
        virtual_host("suffix", &["*.b"], vec![regex]),
        virtual_host("deep", &["*.c.b", "c.b:81"], vec![forward("/", "deep")]),
    ]
}

fn head(authority: Option<&str>, path: &str) -> Option<Headers> {
    let request = RequestHead {
        method: http::Method::GET,
        scheme: Scheme::HTTP,
        authority: authority.and_then(|authority| authority.parse().ok()),
        path: path.parse().ok()?,
    };
    Some(Headers::request(request, HeaderMap::new()))
}

#[track_caller]
fn check(authority: &str, path: &str, expect: Result<(usize, &str), NoRoute>) {
    let router = Router::new(RouterPlan { virtual_hosts: hosts() });
    let head = head(Some(authority), path).unwrap();
    let found = router.route(&head, 0);
    let found = found.map(|found| (found.id.0, found.route.name.as_deref().unwrap_or("redirect")));
    assert_eq!(found, expect);
}

#[test]
fn the_first_route_of_the_most_exact_virtual_host_is_taken() {
    check("a.b", "/x/y", Ok((2, "ax")));
    check("other", "/", Ok((1, "star")));
    check("other", "/s/x", Ok((0, "redirect")));
    check("z.b", "/", Ok((4, "regex")));
    check("z.c.b", "/", Ok((5, "deep")));
    check("c.b:81", "/", Ok((5, "deep")));
    check("c.b", "/", Ok((4, "regex")));
}

#[test]
fn a_virtual_host_without_a_fitting_route_hides_the_star() {
    check("a.b", "/", Err(NoRoute::Route));
}

#[test]
fn an_authority_that_nobody_serves_has_no_route() {
    let router = Router::new(RouterPlan { virtual_hosts: hosts().split_off(1) });
    let found = router.route(&head(Some("other"), "/").unwrap(), 0);
    assert_eq!(found.unwrap_err(), NoRoute::VirtualHost);
    assert_eq!(router.route(&head(None, "/").unwrap(), 0).unwrap_err(), NoRoute::VirtualHost);
}

#[test]
fn a_response_has_no_route() {
    let router = Router::new(RouterPlan { virtual_hosts: hosts() });
    let head = Headers::response(StatusCode::OK, HeaderMap::new());
    assert_eq!(router.route(&head, 0).unwrap_err(), NoRoute::NoRequest);
}

#[test]
fn a_match_tells_path_and_location() {
    let router = Router::new(RouterPlan { virtual_hosts: hosts() });
    let ax = head(Some("a.b"), "/x/y?z").unwrap();
    let found = router.route(&ax, 0).unwrap();
    let path = found.rewritten_path(ax.as_request().unwrap()).unwrap();
    assert_eq!(path.unwrap().as_str(), "/up/y?z");
    assert_eq!(found.location(ax.as_request().unwrap()), Ok(None));
    let secure = head(Some("q:80"), "/s").unwrap();
    let found = router.route(&secure, 0).unwrap();
    assert_eq!(found.rewritten_path(secure.as_request().unwrap()), Ok(None));
    let location = found.location(secure.as_request().unwrap()).unwrap();
    assert_eq!(location.unwrap(), "https://q/s");
}

#[test]
fn routes_are_numbered_over_all_virtual_hosts() {
    let router = Router::new(RouterPlan { virtual_hosts: hosts() });
    let numbers: Vec<_> = router.routes().map(|(id, _)| id.0).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
}

fn authority() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        "(a\\.b|c\\.b|z\\.b|z\\.c\\.b|q|\\[::1\\])(:(80|81))?".prop_map(Some),
        "\\PC{0,12}".prop_map(Some),
    ]
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof!["/(x|s|y)?(/(x|y)){0,3}(\\?.{0,4})?", "\\PC{0,12}", "/\\PC{0,12}"]
}

fn rpc_route(service: &str, method: Option<&str>) -> Route {
    let names = RpcMatch { service: Some(service.into()), method: method.map(Into::into) };
    Route { condition: RouteCondition::path(PathMatch::Rpc(names)), ..forward("/", "rpc") }
}

proptest! {
    #[test]
    fn a_service_and_its_method_are_matched_as_the_path_of_grpc(
        service in "[a-c]{1,2}",
        method in prop_oneof![Just(None), "[a-c]{1,2}".prop_map(Some)],
        path in "/[a-c]{1,2}(/[a-c]{0,2}){0,2}",
    ) {
        let by_path = match &method {
            Some(method) => Route {
                condition: RouteCondition::path(
                    PathMatch::Exact(format!("/{service}/{method}").into()),
                ),
                ..forward("/", "rpc")
            },
            None => Route {
                condition: RouteCondition::path(
                    PathMatch::Regex(crate::Pattern::new(&format!("/{service}/[^/]+")).unwrap()),
                ),
                ..forward("/", "rpc")
            },
        };
        let router = |route| {
            let hosts = vec![virtual_host("star", &["*"], vec![route])];
            Router::new(RouterPlan { virtual_hosts: hosts })
        };
        let head = head(Some("q"), &path).unwrap();
        let expect = router(by_path).route(&head, 0).is_ok();
        let by_name = router(rpc_route(&service, method.as_deref()));
        prop_assert_eq!(by_name.route(&head, 0).is_ok(), expect);
    }

    #[test]
    fn the_first_route_that_fits_an_rpc_wins(
        order in Just(vec!["a", "b", "c"]).prop_shuffle(),
        service in "[a-d]",
    ) {
        let mut routes: Vec<_> = order.iter().map(|name| rpc_route(name, None)).collect();
        routes.push(forward("/", "rest"));
        let hosts = vec![virtual_host("star", &["*"], routes)];
        let router = Router::new(RouterPlan { virtual_hosts: hosts });
        let head = head(None, &format!("/{service}/m")).unwrap();
        let place = order.iter().position(|name| *name == service).unwrap_or(order.len());
        prop_assert_eq!(router.route(&head, 0).unwrap().id, RouteId(place));
    }

    #[test]
    fn the_order_of_virtual_hosts_does_not_matter(
        order in Just(hosts()).prop_shuffle(),
        authority in authority(),
        path in path(),
    ) {
        let Some(head) = head(authority.as_deref(), &path) else { return Ok(()) };
        let plain = Router::new(RouterPlan { virtual_hosts: hosts() });
        let shuffled = Router::new(RouterPlan { virtual_hosts: order });
        let expect = plain.route(&head, 1).map(|found| found.route);
        prop_assert_eq!(shuffled.route(&head, 1).map(|found| found.route), expect);
    }

    #[test]
    fn whatever_is_sent_ends_in_a_route_or_an_error(authority in authority(), path in path()) {
        let Some(head) = head(authority.as_deref(), &path) else { return Ok(()) };
        let router = Router::new(RouterPlan { virtual_hosts: hosts() });
        let request = head.as_request().unwrap();
        if let Ok(found) = router.route(&head, u64::MAX) {
            if let Ok(Some(path)) = found.rewritten_path(request) {
                prop_assert!(path.as_str().starts_with('/'));
                prop_assert_eq!(path.query(), request.path.query());
            }
            let _location = found.location(request);
        }
    }
}
