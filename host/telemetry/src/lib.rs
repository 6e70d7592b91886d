//! Metrics, access log and logs; every metric name in one place.
