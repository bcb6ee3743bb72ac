//! The rows of the result and how they are shown.

use serde_json::{Value, json};
use std::fmt::Write;

/// Something measured.
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: String,
    /// Lazuli's rounds.
    pub(crate) lazuli: Vec<f64>,
    /// Azurite's rounds; empty where it was not measured.
    pub(crate) azurite: Vec<f64>,
    /// What the machine itself reached in the same rounds, and what that was.
    pub(crate) limit: Option<(&'static str, Vec<f64>)>,
    /// The unit of all of them.
    pub(crate) unit: Unit,
    /// What is aimed at, in words.
    pub(crate) goal: &'static str,
    /// The load generator's share of a processor in Lazuli's rounds; empty where it did not run.
    pub(crate) client_cpu: Vec<f64>,
}

/// A unit, and which direction is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Operations a second; more is better.
    PerSecond,
    /// Bytes a second; more is better.
    BytesPerSecond,
    /// Microseconds; less is better.
    Microseconds,
    /// Bytes; less is better.
    Bytes,
    /// A factor; less is better.
    Factor,
}

impl Unit {
    /// A value as a reader wants it.
    fn show(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{value:.0}/s"),
            Self::BytesPerSecond => format!("{:.0} MiB/s", value / f64::from(1 << 20)),
            Self::Microseconds if value >= 10_000.0 => format!("{:.1} ms", value / 1000.0),
            Self::Microseconds => format!("{:.2} ms", value / 1000.0),
            Self::Bytes => format!("{:.1} MiB", value / f64::from(1 << 20)),
            Self::Factor => format!("{value:.2}"),
        }
    }

    /// Whether a larger value is the better one.
    fn more_is_better(self) -> bool {
        matches!(self, Self::PerSecond | Self::BytesPerSecond)
    }
}

/// The middle of some values; not a number if there are none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.len() % 2, sorted.get(middle), sorted.get(middle.wrapping_sub(1))) {
        (1, Some(value), _) => *value,
        (0, Some(above), Some(below)) => f64::midpoint(*above, *below),
        _ => f64::NAN,
    }
}

impl Row {
    /// How many times better Lazuli is than Azurite.
    fn ratio(&self) -> Option<f64> {
        if self.azurite.is_empty() {
            return None;
        }
        let (ours, theirs) = (median(&self.lazuli), median(&self.azurite));
        Some(if self.unit.more_is_better() { ours / theirs } else { theirs / ours })
    }

    /// The share of the limit that Lazuli reached.
    fn share_of_limit(&self) -> Option<f64> {
        let (_, limit) = self.limit.as_ref()?;
        Some(median(&self.lazuli) / median(limit))
    }

    /// Everything, for a program.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "what": self.what,
            "unit": format!("{:?}", self.unit),
            "lazuli": self.lazuli,
            "azurite": self.azurite,
            "ratio": self.ratio(),
            "limit": self.limit.as_ref().map(|(name, values)| json!({ "name": name, "values": values })),
            "share_of_limit": self.share_of_limit(),
            "goal": self.goal,
            "client_cpu": self.client_cpu,
        })
    }
}

/// The table, in Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut table = String::from(
        "| what | Lazuli | Azurite | times better | limit of the machine | of the limit | goal | client CPU |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let values = |values: &[f64]| (!values.is_empty()).then(|| row.unit.show(median(values)));
        let limit = row.limit.as_ref();
        let limit = limit.map(|(name, list)| format!("{} {name}", row.unit.show(median(list))));
        let cpu = (!row.client_cpu.is_empty())
            .then(|| format!("{:.0} %", median(&row.client_cpu) * 100.0));
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            row.what,
            or_dash(values(&row.lazuli)),
            or_dash(values(&row.azurite)),
            or_dash(row.ratio().map(|ratio| format!("{ratio:.1}"))),
            or_dash(limit),
            or_dash(row.share_of_limit().map(|share| format!("{:.0} %", share * 100.0))),
            row.goal,
            or_dash(cpu),
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{Row, Unit, markdown, median};

    #[test]
    fn the_median_is_the_middle() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_lower_latency_is_a_ratio_above_one() {
        let row = Row {
            what: "Get".to_owned(),
            lazuli: vec![500.0],
            azurite: vec![1500.0],
            limit: None,
            unit: Unit::Microseconds,
            goal: "lower",
            client_cpu: vec![0.2],
        };
        assert!(
            markdown(&[row])
                .ends_with("| Get | 0.50 ms | 1.50 ms | 3.0 | - | - | lower | 20 % |\n")
        );
    }
}
