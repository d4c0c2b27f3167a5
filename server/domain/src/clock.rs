//! Time comes in as an argument, so that tests replay.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// Where "now" comes from. The two implementations are the system's clock and the tests' clock.
pub trait Clock: Send + Sync + std::fmt::Debug {
    fn now(&self) -> Timestamp;

    /// Today's business date in the municipality's zone.
    fn today(&self, zone: &TimeZone) -> Date {
        self.now().to_zoned(zone.clone()).date()
    }
}

/// The machine's clock: the one place where the present is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands where it was set (tests, demo data).
#[derive(Debug)]
pub struct FixedClock(std::sync::Mutex<Timestamp>);

impl FixedClock {
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(std::sync::Mutex::new(now))
    }

    pub fn set(&self, now: Timestamp) {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = now;
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Instant as fixed-width UTC text (`2026-11-22T01:02:03.456Z`): sorts as it compares.
#[must_use]
pub fn instant_text(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// The next instant that [`instant_text`] tells apart; `None` when the text is none.
#[must_use]
pub fn after(text: &str) -> Option<String> {
    let at: Timestamp = text.parse().ok()?;
    let next = at.checked_add(jiff::SignedDuration::from_millis(1)).ok()?;
    Some(instant_text(next))
}

/// 年度 of a business date: starts on 1 April.
#[must_use]
pub fn fiscal_year(date: Date) -> i16 {
    if date.month() >= 4 {
        date.year()
    } else {
        date.year() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_have_a_fixed_width() {
        let at: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(instant_text(at), "2026-01-02T03:04:05.000Z");
        assert_eq!(
            after("2026-01-02T03:04:05.999Z").as_deref(),
            Some("2026-01-02T03:04:06.000Z")
        );
        assert_eq!(after("yesterday"), None);
    }

    #[test]
    fn fiscal_year_starts_in_april() {
        assert_eq!(fiscal_year(jiff::civil::date(2026, 3, 31)), 2025);
        assert_eq!(fiscal_year(jiff::civil::date(2026, 4, 1)), 2026);
    }
}
