//! Whether a try of a write may have taken effect although nobody said so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;

/// Looks at each try of one call. Clones look at the same call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doubt(Arc<AtomicBool>);

impl Doubt {
    /// Whether some try ended without an answer, or with one that does not tell.
    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Intercept for Doubt {
    fn name(&self) -> &'static str {
        "Doubt"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let succeeded = matches!(context.output_or_error(), Some(Ok(_)));
        let status = context
            .response()
            .map(|response| response.status().as_u16());
        // what is the caller's fault, throttles and conditions included, was not done
        let refused = status.is_some_and(|status| (400..500).contains(&status));
        if !succeeded && !refused {
            self.0.store(true, Ordering::Release);
        }
        Ok(())
    }
}
