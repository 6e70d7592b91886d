use super::*;

fn redirect() -> Redirect {
    Redirect {
        status: StatusCode::MOVED_PERMANENTLY,
        scheme: None,
        host: None,
        port: None,
        path: None,
        strip_query: false,
    }
}

fn location(redirect: &Redirect, authority: &str, path: &str) -> Result<String, RewriteError> {
    let request = RequestHead {
        method: http::Method::GET,
        scheme: Scheme::HTTP,
        authority: authority.parse().ok(),
        path: path.parse().unwrap(),
    };
    let location = redirect.location(&PathMatch::Prefix("/old".into()), &request)?;
    Ok(location.to_str().unwrap().to_owned())
}

#[track_caller]
fn check(redirect: &Redirect, expect: &str) {
    assert_eq!(location(redirect, "a.example:8080", "/old/x?q=1").as_deref(), Ok(expect));
}

#[test]
fn what_is_not_named_stays() {
    check(&redirect(), "http://a.example:8080/old/x?q=1");
    let https = Redirect { scheme: Some(Scheme::HTTPS), ..redirect() };
    check(&https, "https://a.example/old/x?q=1");
    check(&Redirect { port: Some(8443), ..https.clone() }, "https://a.example:8443/old/x?q=1");
    check(&Redirect { port: Some(443), ..https }, "https://a.example/old/x?q=1");
    check(&Redirect { host: Some("b.example".into()), ..redirect() }, "http://b.example/old/x?q=1");
    check(&Redirect { port: Some(80), ..redirect() }, "http://a.example/old/x?q=1");
    let full = RedirectPath::Full("/new".into());
    check(&Redirect { path: Some(full), ..redirect() }, "http://a.example:8080/new?q=1");
    let prefix = RedirectPath::Prefix("/new/".into());
    check(&Redirect { path: Some(prefix), ..redirect() }, "http://a.example:8080/new/x?q=1");
    check(&Redirect { strip_query: true, ..redirect() }, "http://a.example:8080/old/x");
}

#[test]
fn the_user_part_of_an_authority_is_not_repeated() {
    let expect = Ok("http://a.example/old".to_owned());
    assert_eq!(location(&redirect(), "user@a.example", "/old"), expect);
}

#[test]
fn without_a_host_the_location_is_a_path_that_names_none() {
    assert_eq!(location(&redirect(), "", "/old"), Ok("/old".to_owned()));
    assert_eq!(location(&redirect(), "", "//evil.example/"), Err(RewriteError::Invalid));
    assert_eq!(location(&redirect(), "", "*"), Err(RewriteError::Invalid));
}
