//! What a provider's answer amounts to. Plain data.

mod delta;
mod signature;

pub use delta::{Delta, Finish};
pub use signature::Signature;

use schemas::event::{Meter, Quantity};

/// What an answer used, normalised so that meters are disjoint.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Units by meter, as the provider said; empty until it did.
    pub quantities: Vec<Quantity>,
    /// Cost as the provider reported it, 1e-9 USD.
    pub reported_nano: Option<i64>,
    /// Bytes of content given so far: what an estimate is made of when the provider says nothing.
    pub content_bytes: u64,
    /// Whether the provider said what was used.
    pub reported: bool,
}

impl Tally {
    /// The units of one meter.
    pub fn units(&self, meter: Meter) -> i64 {
        self.quantities
            .iter()
            .filter(|quantity| quantity.meter == meter)
            .map(|quantity| quantity.units)
            .sum()
    }

    /// All input tokens, however they are counted.
    pub fn input(&self) -> i64 {
        use Meter::{CacheWrite, CacheWriteLong, Input, InputAudio, InputCached, InputImage};
        let meters = [Input, InputCached, CacheWrite, CacheWriteLong, InputAudio, InputImage];
        meters.into_iter().map(|meter| self.units(meter)).sum()
    }

    /// The same with the input as it is estimated, where the provider counted none.
    #[must_use]
    pub fn or_input(mut self, estimated: i64) -> Self {
        if self.input() <= 0 && estimated > 0 {
            self.quantities.retain(|quantity| quantity.meter != Meter::Input);
            self.quantities.push(Quantity { meter: Meter::Input, units: estimated });
        }
        self
    }

    /// All output tokens, reasoning included; estimated where the provider said nothing.
    pub fn output(&self) -> i64 {
        use Meter::{Output, OutputAudio, OutputImage, OutputReasoning};
        match self.reported {
            true => [Output, OutputReasoning, OutputAudio, OutputImage]
                .map(|meter| self.units(meter))
                .iter()
                .sum(),
            false => self.estimated_output(),
        }
    }

    /// A rough count of the output tokens given so far: four bytes each, rounded up, whoever the vendor. Hidden thoughts
    /// are not in it.
    pub fn estimated_output(&self) -> i64 {
        i64::try_from(self.content_bytes.div_ceil(4)).unwrap_or(i64::MAX)
    }
}
