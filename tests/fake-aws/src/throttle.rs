//! The documented rates, as token buckets: for each account, region and operation one.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::caller::Caller;
use crate::clock::between;

/// Calls a second, and how many may come at once.
#[derive(Debug, Clone, Copy)]
struct Rate {
    a_second: f64,
    burst: f64,
}

/// Of EMR Serverless: its page of endpoints and quotas. Of Athena: its page of service quotas.
fn rate(service: &str, operation: &str) -> Rate {
    let (a_second, burst) = match (service, operation) {
        ("emr-serverless", "GetJobRun" | "GetApplication") => (10.0, 50.0),
        ("emr-serverless", "GetDashboardForJobRun") => (1.0, 2.0),
        ("emr-serverless", _) => (1.0, 25.0),
        (_, "StartQueryExecution" | "StopQueryExecution") => (20.0, 80.0),
        (_, "GetQueryExecution" | "GetQueryResults") => (100.0, 200.0),
        (_, "BatchGetQueryExecution") => (20.0, 40.0),
        (_, _) => (5.0, 10.0),
    };
    Rate { a_second, burst }
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

#[derive(Debug, Default)]
pub(crate) struct Throttle {
    buckets: BTreeMap<(Caller, String), Bucket>,
}

impl Throttle {
    /// Whether one more call is allowed now.
    pub(crate) fn allows(
        &mut self,
        caller: &Caller,
        service: &str,
        operation: &str,
        now: Timestamp,
    ) -> bool {
        let rate = rate(service, operation);
        let full = Bucket {
            tokens: rate.burst,
            at: now,
        };
        let name = (caller.clone(), format!("{service}:{operation}"));
        let bucket = self.buckets.entry(name).or_insert(full);
        let gained = between(bucket.at, now).as_secs_f64() * rate.a_second;
        bucket.tokens = (bucket.tokens + gained).min(rate.burst);
        bucket.at = now.max(bucket.at);
        let allowed = bucket.tokens >= 1.0;
        if allowed {
            bucket.tokens -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::Throttle;
    use crate::caller::Caller;
    use crate::clock::after;

    #[test]
    fn a_burst_is_allowed_and_then_one_a_second() {
        let mut throttle = Throttle::default();
        let caller = |account: &str| Caller {
            account: account.to_owned(),
            region: "eu-central-1".to_owned(),
        };
        let mut calls = |account, millis, many| {
            let now = after(Timestamp::UNIX_EPOCH, Duration::from_millis(millis));
            let allowed = (0..many).filter(|_| {
                throttle.allows(&caller(account), "emr-serverless", "StartJobRun", now)
            });
            allowed.count()
        };
        assert_eq!(calls("1", 0, 30), 25);
        assert_eq!(calls("1", 999, 5), 0);
        assert_eq!(calls("1", 1_000, 5), 1);
        assert_eq!(calls("1", 4_000, 5), 3);
        assert_eq!(calls("2", 4_000, 30), 25);
        assert_eq!(calls("1", 1_000_000, 30), 25);
    }
}
