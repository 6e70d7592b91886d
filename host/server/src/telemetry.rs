//! From the plan's words to logs that run.

use std::{error::Error, fmt::Write as _};

use host_config::{
    AccessLogPlan, AccessLogTarget as PlannedTarget, LogFormat as PlannedFormat, LogPlan, Plan,
};
use host_telemetry::{
    AccessLog, AccessLogError, AccessLogGuard, AccessLogTarget, LogError, LogFormat, LogHandle,
    Metrics, init_logs,
};

/// Starts the log.
///
/// # Errors
/// The filter makes no sense.
pub(crate) fn start_log(plan: &LogPlan, metrics: &Metrics) -> Result<LogHandle, LogError> {
    let format = match plan.format {
        PlannedFormat::Text => LogFormat::Text,
        PlannedFormat::Json => LogFormat::Json,
    };
    init_logs(&plan.level, format, metrics)
}

/// Where the access log goes: nowhere in place of to standard output, where that is needed for
/// something else.
pub(crate) fn access_plan(plan: &Plan, output_is_taken: bool) -> AccessLogPlan {
    let mut access = plan.access_log.clone();
    if output_is_taken && access.target == PlannedTarget::Stdout {
        access.target = PlannedTarget::Off;
    }
    access
}

/// Starts the access log, where there is to be one.
///
/// # Errors
/// Its file cannot be opened.
pub(crate) fn start_access_log(
    plan: &AccessLogPlan,
    metrics: &Metrics,
) -> Result<Option<(AccessLog, AccessLogGuard)>, AccessLogError> {
    let target = match &plan.target {
        PlannedTarget::Off => return Ok(None),
        PlannedTarget::Stdout => AccessLogTarget::Stdout,
        PlannedTarget::File(path) => AccessLogTarget::File(path.clone()),
    };
    AccessLog::start(&target, metrics).map(Some)
}

/// An error with all its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let _infallible = write!(text, ": {inner}");
        cause = inner.source();
    }
    text
}
