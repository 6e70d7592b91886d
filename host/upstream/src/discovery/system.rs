//! The name service as this machine is configured for it (`/etc/resolv.conf`, `/etc/hosts`).

use std::{future::Future, pin::Pin, time::Duration};

use hickory_resolver::{TokioResolver, config::LookupIpStrategy};

use super::{Resolve, ResolveError, Resolved};

/// Resolves as the system's configuration says. One that cannot be read is an error of each
/// name, not of the start: fixed endpoints need no names.
#[derive(Debug)]
pub struct SystemResolver {
    resolver: Result<TokioResolver, String>,
}

impl SystemResolver {
    /// Reads the system's configuration.
    #[must_use]
    pub fn new() -> Self {
        Self { resolver: build() }
    }
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self::new()
    }
}

fn build() -> Result<TokioResolver, String> {
    let mut builder = TokioResolver::builder_tokio().map_err(|error| error.to_string())?;
    let options = builder.options_mut();
    // Refreshing is our business; a second cache would only make answers older.
    options.cache_size = 0;
    options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
    builder.build().map_err(|error| error.to_string())
}

impl Resolve for SystemResolver {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Resolved, ResolveError>> + Send + 'a>> {
        Box::pin(async move {
            let failed = |what: String| ResolveError { host: host.to_owned(), what };
            let resolver = self.resolver.as_ref().map_err(|what| failed(what.clone()))?;
            let found =
                resolver.lookup_ip(host).await.map_err(|error| failed(error.to_string()))?;
            let lives = found.as_lookup().answers().iter().map(|record| record.ttl);
            let time_to_live = Duration::from_secs(u64::from(lives.min().unwrap_or_default()));
            Ok(Resolved { addresses: found.iter().collect(), time_to_live })
        })
    }
}

#[cfg(test)]
mod tests;
