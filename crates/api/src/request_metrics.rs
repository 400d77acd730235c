//! How many requests were answered, and how fast, by method, route and status.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use metrics::{Counter, Histogram, SharedString};

/// What requests that are alike are counted in. Found by what they have in common, which is spelt out as labels but once.
///
/// There are as many as routes with their methods and statuses, whatever callers send.
#[derive(Default)]
pub(crate) struct RequestMetrics(RwLock<HashMap<MethodAndStatus, ByRoute>>);

type MethodAndStatus = (&'static str, u16);

type ByRoute = HashMap<Box<str>, Series>;

#[derive(Clone)]
struct Series {
    count: Counter,
    seconds: Histogram,
}

impl RequestMetrics {
    /// Counts a request to `route` that took so long. `method` and `route` are of those that there are here, not the caller's words.
    pub(crate) fn record(&self, method: &'static str, route: &str, status: u16, duration: Duration) {
        let series = self.known(method, route, status);
        let series = series.unwrap_or_else(|| self.added(method, route, status));
        series.count.increment(1);
        series.seconds.record(duration);
    }

    fn known(&self, method: &'static str, route: &str, status: u16) -> Option<Series> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&(method, status))?.get(route).cloned()
    }

    fn added(&self, method: &'static str, route: &str, status: u16) -> Series {
        let labels = [
            ("method", SharedString::const_str(method)),
            ("route", SharedString::from_owned(route.to_owned())),
            ("status", SharedString::from_owned(status.to_string())),
        ];
        let series = Series {
            count: metrics::counter!("http_requests_total", &labels),
            seconds: metrics::histogram!("http_request_duration_seconds", &labels),
        };
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.entry((method, status)).or_default().insert(route.into(), series.clone());
        series
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_are_alike_are_counted_together() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let metrics = RequestMetrics::default();
            for (route, status) in [("/a", 200), ("/a", 200), ("/a", 404), ("/b", 200)] {
                metrics.record("GET", route, status, Duration::from_millis(2));
            }
        });
        let text = recorder.handle().render();
        for line in [
            r#"http_requests_total{method="GET",route="/a",status="200"} 2"#,
            r#"http_requests_total{method="GET",route="/a",status="404"} 1"#,
            r#"http_requests_total{method="GET",route="/b",status="200"} 1"#,
            r#"http_request_duration_seconds_count{method="GET",route="/a",status="200"} 2"#,
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}
