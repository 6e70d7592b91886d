//! Environments of plugins.

use std::{collections::BTreeMap, env, sync::Arc};

use crate::cursor::Cursor;

/// Names with their values.
pub(super) type Variables = Vec<(Arc<str>, Arc<str>)>;

/// The environment is the given one, with what is taken of the proxy's own; a variable that the
/// proxy does not have is not there. `at` holds both lists.
pub(super) fn environment(
    given: &BTreeMap<String, String>,
    of_host: &[String],
    at: &Cursor<'_>,
) -> Option<Variables> {
    let mut environment = Vec::new();
    let mut is_right = true;
    let at_given = at.key("environment");
    for (name, value) in given {
        is_right &= variable(name, value, &at_given.name(name)).is_some();
        environment.push((Arc::from(name.as_str()), Arc::from(value.as_str())));
    }
    for (at, name) in at.key("host_environment").zip(of_host) {
        is_right &= variable(name, "", &at).is_some();
        if given.contains_key(name) {
            let message = format!("the variable `{name}` has a value in `environment` already");
            at.add(at.problem(message, "again here"));
            is_right = false;
        } else if let Ok(value) = env::var(name) {
            environment.push((Arc::from(name.as_str()), Arc::from(value)));
        }
    }
    is_right.then_some(environment)
}

/// Programs read `NAME=value` up to a NUL.
pub(super) fn variable(name: &str, value: &str, at: &Cursor<'_>) -> Option<()> {
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        let message = format!("`{}` cannot be an environment variable", name.escape_debug());
        return at.refuse_with(message, "no variable", "a name without `=`, and no NUL in either");
    }
    Some(())
}
