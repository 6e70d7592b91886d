use super::*;

#[track_caller]
fn check(condition: &PathMatch, rewrite: &PathRewrite, path: &str, expect: &str) {
    let path: PathAndQuery = path.parse().unwrap();
    assert_eq!(rewrite.apply(condition, &path).unwrap().as_str(), expect);
}

#[track_caller]
fn check_prefix(prefix: &str, replacement: &str, path: &str, expect: &str) {
    let rewrite = PathRewrite::Prefix(replacement.into());
    check(&PathMatch::Prefix(prefix.into()), &rewrite, path, expect);
}

#[test]
fn a_prefix_is_replaced_and_joined_by_one_slash() {
    check_prefix("/api", "/v2", "/api/x?q=/api", "/v2/x?q=/api");
    check_prefix("/api", "/v2", "/api", "/v2");
    check_prefix("/api", "/", "/api/x", "/x");
    check_prefix("/api", "/", "/api", "/");
    check_prefix("/api/", "/v2", "/api/x", "/v2/x");
    check_prefix("/api/", "/v2/", "/api/x", "/v2/x");
    check_prefix("/api/", "/", "/api/", "/");
    check_prefix("/", "/v2", "/x", "/v2/x");
    check_prefix("/", "/v2/", "/", "/v2/");
    check_prefix("/api", "/v2", "/api//x", "/v2//x");
    check_prefix("/api", "", "/api", "/");
    check_prefix("/api", "", "/api/x", "/x");
}

#[test]
fn the_whole_path_is_replaced_where_the_match_is_no_prefix() {
    let rewrite = PathRewrite::Prefix("/new".into());
    check(&PathMatch::Exact("/old".into()), &rewrite, "/old?a", "/new?a");
    let regex = PathMatch::Regex(crate::Pattern::new("/o.*").unwrap());
    check(&regex, &rewrite, "/old?a", "/new?a");
}

#[track_caller]
fn rewrite(pattern: &str, substitution: &str, path: &str) -> Result<String, RewriteError> {
    let rewrite = PathRewrite::Regex(RegexRewrite::new(pattern, substitution).unwrap());
    let path: PathAndQuery = path.parse().unwrap();
    let result = rewrite.apply(&PathMatch::Prefix("/".into()), &path);
    result.map(|path| path.to_string())
}

#[test]
fn every_place_that_the_expression_finds_is_replaced() {
    assert_eq!(
        rewrite("^/u/([^/]+)", "/user/${1}x", "/u/7/a?b=/u/7"),
        Ok("/user/7x/a?b=/u/7".into())
    );
    assert_eq!(rewrite("a(?<n>.)", "$n", "/ab/ac"), Ok("/b/c".into()));
    assert_eq!(rewrite("x", "$$", "/x"), Ok("/$".into()));
    assert_eq!(rewrite("none", "y", "/x"), Ok("/x".into()));
}

#[test]
fn a_result_that_is_no_path_is_an_error() {
    assert_eq!(rewrite("^/", "", "/x"), Err(RewriteError::Invalid));
    assert_eq!(rewrite("x", " ", "/x"), Err(RewriteError::Invalid));
    assert_eq!(rewrite("x", "\r\nevil: 1", "/x"), Err(RewriteError::Invalid));
    assert_eq!(rewrite("x", "?", "/x"), Err(RewriteError::Invalid));
    assert_eq!(rewrite("x", "#", "/x?q"), Err(RewriteError::Invalid));
    assert_eq!(
        rewrite(".*", "$0$0$0", &format!("/{}", "x".repeat(15_000))),
        Err(RewriteError::TooLong)
    );
}

#[test]
fn a_substitution_that_names_no_group_is_refused() {
    let refused = |substitution: &str| RegexRewrite::new("(a)(?<n>b)", substitution).unwrap_err();
    assert_eq!(refused("$3"), PatternError::UnknownGroup("3".into()));
    assert_eq!(refused("x$1x"), PatternError::UnknownGroup("1x".into()));
    assert_eq!(refused("${m}"), PatternError::UnknownGroup("m".into()));
    assert!(RegexRewrite::new("(a)(?<n>b)", "$0 $1 ${2} $n $$9 $").is_ok());
}
