//! What a run was billed.

use porpoise_ports::executor::{JobUsage, JobUsageLine};

use crate::settings::Prices;

/// What was measured: virtual processors, memory and disk, in hours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hours {
    pub(crate) vcpu: f64,
    pub(crate) memory_gb: f64,
    pub(crate) storage_gb: f64,
}

/// Prices of x86 in `us-east-1`, which several public sources agree on; other regions differ, and the settings of a
/// target say by how much.
const LIST: Prices = Prices {
    vcpu_hour: 0.052_624,
    memory_gb_hour: 0.005_778_5,
    storage_gb_hour: 0.000_111,
};

/// The prices of a region, if they are known.
pub(crate) fn prices(settings: Option<Prices>, region: Option<&str>) -> Option<Prices> {
    settings.or_else(|| (region == Some("us-east-1")).then_some(LIST))
}

pub(crate) fn usage(hours: Hours, prices: Option<Prices>) -> JobUsage {
    let line = |measure: &str, hours: f64, price: Option<f64>| JobUsageLine {
        measure: measure.to_owned(),
        millionths: whole(hours * 1e6),
        nanodollars: price.map(|price| whole(hours * price * 1e9)),
    };
    JobUsage {
        lines: vec![
            line(
                "vcpu_hours",
                hours.vcpu,
                prices.map(|prices| prices.vcpu_hour),
            ),
            line(
                "memory_gb_hours",
                hours.memory_gb,
                prices.map(|prices| prices.memory_gb_hour),
            ),
            line(
                "storage_gb_hours",
                hours.storage_gb,
                prices.map(|prices| prices.storage_gb_hour),
            ),
        ],
    }
}

/// The nearest whole number, nothing below zero.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float becomes the nearest number that there is"
)]
fn whole(number: f64) -> u64 {
    number.round().max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::{Hours, prices, usage};

    #[test]
    fn hours_are_priced_where_prices_are_known() {
        let hours = Hours {
            vcpu: 2.0,
            memory_gb: 8.5,
            storage_gb: 0.0,
        };
        let priced = usage(hours, prices(None, Some("us-east-1")));
        let seen = priced
            .lines
            .iter()
            .map(|line| (line.millionths, line.nanodollars));
        let wanted = [
            (2_000_000, Some(105_248_000)),
            (8_500_000, Some(49_117_250)),
            (0, Some(0)),
        ];
        assert!(seen.eq(wanted), "{priced:?}");
        let elsewhere = usage(hours, prices(None, Some("eu-central-1")));
        assert!(
            elsewhere
                .lines
                .iter()
                .all(|line| line.nanodollars.is_none())
        );
    }
}
