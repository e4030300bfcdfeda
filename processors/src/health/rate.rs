//! How well something does, from counts: the share that goes well with its bounds, and how surely
//! it is in trouble. Integers only, so that a replay gives the same bytes.

use super::thresholds::Thresholds;

/// All, in per ten thousand.
pub(super) const WHOLE: i32 = 10_000;

/// Square of the three standard deviations that bound a share: 99.7 % of shares lie within.
const Z2: i128 = 9;

/// Bounds of the true share of which `good` of `good + bad` were seen, per 10,000.
///
/// E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal
/// of the American Statistical Association 22 (1927): with n attempts of which g went well,
/// `(g + z²/2 ± z √(g (n − g) / n + z²/4)) / (n + z²)`. Nothing seen: anything is possible.
pub(super) fn bounds(good: i64, bad: i64) -> (i32, i32) {
    // no window holds more, and nothing overflows
    let most = |count: i64| i128::from(count.clamp(0, 1 << 40));
    let (good, bad) = (most(good), most(bad));
    let all = good + bad;
    if all == 0 {
        return (0, WHOLE);
    }
    // in units of 1e-4, so that the root is exact enough; what is under it, in those of 1e-8
    const UNIT: i128 = 10_000;
    let under = good * bad * UNIT * UNIT * Z2 / all + Z2 * Z2 * UNIT * UNIT / 4;
    let spread = i128::try_from(under.unsigned_abs().isqrt()).unwrap_or(0);
    let middle = good * UNIT + Z2 * UNIT / 2;
    let share = |sum: i128| i32::try_from((sum / (all + Z2)).clamp(0, UNIT)).unwrap_or(0);
    (share(middle - spread), share(middle + spread))
}

/// The evidence of trouble after one more attempt.
///
/// The cumulative sum of E. S. Page, "Continuous Inspection Schemes", Biometrika 41 (1954): each
/// attempt adds the logarithm of how much likelier it is of a sick target than of a well one, and
/// the sum never falls below nothing. No test finds a change sooner for the same rate of false
/// alarms (G. Moustakides, Annals of Statistics 14, 1986).
pub(super) fn evidence(before: i64, good: bool, rules: &Thresholds) -> i64 {
    let step = if good { -rules.evidence_good } else { rules.evidence_bad };
    before.saturating_add(step).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_wilsons() {
        // by the formula, in floating point
        let exact = |good: i64, bad: i64| {
            let (g, n) = (good as f64, (good + bad) as f64);
            let spread = 3.0 * (g * (n - g) / n + 2.25).sqrt();
            let share = |sum: f64| sum / (n + 9.0) * 10_000.0;
            (share(g + 4.5 - spread), share(g + 4.5 + spread))
        };
        for good in [0, 1, 2, 7, 50, 1000, 1_000_000] {
            for bad in [0, 1, 3, 20, 999, 2_000_000] {
                let (low, high) = bounds(good, bad);
                if good + bad == 0 {
                    assert_eq!((low, high), (0, WHOLE));
                    continue;
                }
                let (exact_low, exact_high) = exact(good, bad);
                assert!((f64::from(low) - exact_low).abs() < 1.5, "{good} {bad}");
                assert!((f64::from(high) - exact_high).abs() < 1.5, "{good} {bad}");
                assert!(low <= high);
            }
        }
        assert_eq!(bounds(i64::MAX, 0), (9_999, WHOLE));
        assert_eq!(bounds(i64::MAX, i64::MAX), (4_999, 5_000), "and nothing overflows");
    }

    #[test]
    fn evidence_is_the_likelihood_of_the_documented_shares() {
        let rules = Thresholds::default();
        let (well, sick) = (0.02_f64, 0.5_f64);
        assert_eq!(rules.evidence_bad, (1000.0 * (sick / well).ln()).round() as i64);
        assert_eq!(
            -rules.evidence_good,
            (1000.0 * ((1.0 - sick) / (1.0 - well)).ln()).round() as i64
        );
        assert_eq!(evidence(500, true, &rules), 0, "never below nothing");
    }
}
