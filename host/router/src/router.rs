//! The table that is made of a plan, and the question that is put to it.

use std::{fmt, sync::Arc};

use host_types::{ClusterName, Headers, RequestHead};
use http::{HeaderValue, uri::PathAndQuery};

use crate::{
    Forward, Redirect, Respond, RewriteError, Route, RouteAction, RouterPlan, domain::DomainTable,
};

/// A router; a clone is the same router.
#[derive(Clone)]
pub struct Router(Arc<Table>);

struct Table {
    plan: RouterPlan,
    domains: DomainTable,
    /// The number of the first route of each virtual host.
    first_routes: Vec<usize>,
}

/// The number of a route: all routes of a router, virtual host after virtual host, in the
/// order of the plan.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RouteId(pub usize);

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub struct RouteMatch<'r> {
    /// The route's number.
    pub id: RouteId,
    /// The name of the virtual host.
    pub virtual_host: &'r str,
    /// The route.
    pub route: &'r Route,
    /// What happens.
    pub target: RouteTarget<'r>,
}

/// What happens to a request, with the cluster picked.
#[derive(Clone, Copy, Debug)]
pub enum RouteTarget<'r> {
    /// It goes to this cluster.
    Forward(&'r ClusterName, &'r Forward),
    /// The client is sent elsewhere.
    Redirect(&'r Redirect),
    /// The proxy answers.
    Respond(&'r Respond),
}

/// No route takes the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NoRoute {
    /// The head is not one of a request.
    #[error("the head is not one of a request")]
    NoRequest,
    /// No virtual host serves the authority.
    #[error("no virtual host serves the authority")]
    VirtualHost,
    /// The virtual host has no route that takes the request. Others are not tried: who owns
    /// a domain owns all of its paths.
    #[error("no route of the virtual host takes the request")]
    Route,
}

impl Router {
    /// The router of a plan.
    #[must_use]
    pub fn new(plan: RouterPlan) -> Self {
        let mut domains = DomainTable::default();
        let mut first_routes = Vec::with_capacity(plan.virtual_hosts.len());
        let mut first_route = 0;
        for (number, virtual_host) in plan.virtual_hosts.iter().enumerate() {
            for domain in &virtual_host.domains {
                domains.add(domain, number);
            }
            first_routes.push(first_route);
            first_route += virtual_host.routes.len();
        }
        Self(Arc::new(Table { plan, domains, first_routes }))
    }

    /// The route of a request. `pick` is a random number, which chooses among weighted
    /// clusters.
    ///
    /// # Errors
    /// No route takes the request.
    pub fn route(&self, head: &Headers, pick: u64) -> Result<RouteMatch<'_>, NoRoute> {
        let request = head.as_request().ok_or(NoRoute::NoRequest)?;
        let number = self.0.domains.find(request.authority.as_ref()).ok_or(NoRoute::VirtualHost)?;
        let virtual_host = self.0.plan.virtual_hosts.get(number).ok_or(NoRoute::VirtualHost)?;
        let first_route = self.0.first_routes.get(number).ok_or(NoRoute::VirtualHost)?;
        let mut routes = virtual_host.routes.iter().enumerate();
        let (place, route) = routes
            .find(|(_, route)| route.condition.matches(request, head))
            .ok_or(NoRoute::Route)?;
        let target = match &route.action {
            RouteAction::Forward(forward) => {
                RouteTarget::Forward(forward.clusters.pick(pick), forward)
            }
            RouteAction::Redirect(redirect) => RouteTarget::Redirect(redirect),
            RouteAction::Respond(respond) => RouteTarget::Respond(respond),
        };
        let id = RouteId(first_route + place);
        Ok(RouteMatch { id, virtual_host: &virtual_host.name, route, target })
    }

    /// The plan that the router was made of.
    #[must_use]
    pub fn plan(&self) -> &RouterPlan {
        &self.0.plan
    }

    /// All routes with their numbers.
    pub fn routes(&self) -> impl Iterator<Item = (RouteId, &Route)> {
        let routes = self.0.plan.virtual_hosts.iter().flat_map(|host| &host.routes);
        routes.enumerate().map(|(number, route)| (RouteId(number), route))
    }
}

impl RouteMatch<'_> {
    /// The path that a forwarded request goes on with; `None` where it stays.
    ///
    /// # Errors
    /// The route's rewrite makes no path of the one that was sent.
    pub fn rewritten_path(
        &self,
        request: &RequestHead,
    ) -> Result<Option<PathAndQuery>, RewriteError> {
        let RouteTarget::Forward(_, forward) = self.target else { return Ok(None) };
        let Some(rewrite) = &forward.path_rewrite else { return Ok(None) };
        rewrite.apply(&self.route.condition.path, &request.path).map(Some)
    }

    /// The `location` of a redirect; `None` where the route is none.
    ///
    /// # Errors
    /// What comes out is no address.
    pub fn location(&self, request: &RequestHead) -> Result<Option<HeaderValue>, RewriteError> {
        let RouteTarget::Redirect(redirect) = self.target else { return Ok(None) };
        redirect.location(&self.route.condition.path, request).map(Some)
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Router").field(&self.0.plan).finish()
    }
}

impl PartialEq for Router {
    fn eq(&self, other: &Self) -> bool {
        self.0.plan == other.0.plan
    }
}

#[cfg(test)]
mod tests;
