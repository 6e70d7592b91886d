//! Logs: where they go and how much they say.

use super::{AccessLogPlan, AccessLogTarget, LogFormat, LogPlan, Scope};
use crate::{
    cursor::Cursor,
    model::{AccessLogConfig, AccessLogWord, LogConfig, LogFormatWord},
};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

pub(super) fn log(model: &LogConfig, at: &Cursor<'_>) -> Option<LogPlan> {
    let at = at.key("level");
    for directive in model.level.split(',') {
        let (target, level) = directive.split_once('=').unwrap_or(("", directive));
        if !LEVELS.contains(&level) {
            let problem = at.problem(format!("`{level}` is no log level"), "not a level");
            at.add(problem.suggest(level, LEVELS.into_iter(), "the levels are"));
            return None;
        }
        let named = |c: char| c.is_ascii_alphanumeric() || "_:-".contains(c);
        if !target.chars().all(named) || (target.is_empty() && directive.contains('=')) {
            let message = format!("`{target}` names no part of the proxy");
            return at.refuse_with(
                message,
                "not a name",
                "write `part=level`, as in `info,host_upstream=debug`",
            );
        }
    }
    let format = match model.format {
        LogFormatWord::Text => LogFormat::Text,
        LogFormatWord::Json => LogFormat::Json,
    };
    Some(LogPlan { level: model.level.clone(), format })
}

pub(super) fn access_log(model: &AccessLogConfig, scope: &Scope<'_>) -> AccessLogPlan {
    let target = match model {
        AccessLogConfig::Word(AccessLogWord::Off) => AccessLogTarget::Off,
        AccessLogConfig::Word(AccessLogWord::Stdout) => AccessLogTarget::Stdout,
        AccessLogConfig::File(file) => AccessLogTarget::File(scope.path(&file.file)),
    };
    AccessLogPlan { target }
}
