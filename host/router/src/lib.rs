//! The router: from a request's head to where it goes.
//!
//! A [`RouterPlan`] says what an operator wants; [`Router::new`] makes a table of it that is
//! cheap to clone and to ask. A virtual host is chosen by the authority, then its routes are
//! tried in order and the first that matches wins. Paths are matched as they were sent:
//! nothing is decoded, normalised or refused here, but for the two names in the path of an RPC
//! ([`RpcMatch`]).
//!
//! This crate is pure: it never waits, reads no clock and draws no random number (the caller
//! gives one for weighted clusters). Start reading at [`Router::route`].

mod condition;
mod domain;
mod pattern;
mod plan;
mod redirect;
mod rewrite;
mod router;

pub use condition::{
    HeaderMatch, MatchNameError, PathMatch, QueryMatch, RouteCondition, RpcMatch, ValueTest,
};
pub use domain::{Domain, DomainError};
pub use pattern::{Pattern, PatternError};
pub use plan::{
    ClusterWeightError, Forward, HostRewrite, Respond, Retry, Route, RouteAction, RouterPlan,
    VirtualHost, WeightedClusters,
};
pub use redirect::{Redirect, RedirectPath};
pub use rewrite::{PathRewrite, RegexRewrite, RewriteError};
pub use router::{NoRoute, RouteId, RouteMatch, RouteTarget, Router};
