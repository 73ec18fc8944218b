//! What a module is, said once: its name and what it needs, what its config looks like, and how it makes a run.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Outcome, Problem};

/// A check module. [`export!`](crate::export) makes a component of one.
pub trait Check {
    /// A short lower case word, by which checks name the module.
    const NAME: &'static str;
    /// Its version: `env!("CARGO_PKG_VERSION")`. Other bytes need another one.
    const VERSION: &'static str;
    /// What it checks, as one sentence.
    const SUMMARY: &'static str;
    /// The probes that it makes, such as `http`; and `secrets`, where it asks for any.
    const CAPABILITIES: &'static [&'static str];

    /// What a check of this module is configured by. Its JSON Schema is made from the type; the comments of its fields
    /// are what people read in forms and manuals.
    type Config: DeserializeOwned + JsonSchema;

    /// Whether a config can be meant, beyond what its type says. It asks no target.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn judge(_config: &Self::Config) -> Result<(), Vec<Problem>> {
        Ok(())
    }

    /// Looks at the target once.
    ///
    /// # Errors
    /// Why nothing can be said of the target. Nobody is woken for that; what the target does wrong is an [`Outcome`].
    fn run(config: &Self::Config, context: &Context) -> Result<Outcome, Problem>;
}

/// What one run is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The check, for messages.
    pub check_id: String,
    /// The moment for which the run is made, in Unix milliseconds.
    pub slot_ms: u64,
    /// When the run began, in Unix milliseconds.
    pub now_ms: u64,
    /// 0 for the run of a slot, and counting up for what is ordered after a failure.
    pub attempt: u32,
    /// How long the run may take in all. A run that is stopped for it says nothing of its target.
    pub timeout_ms: u32,
}

/// Exports a [`Check`] as the treaty wants it.
#[macro_export]
macro_rules! export {
    ($check:ty) => {
        struct Exported;

        impl $crate::wit::exports::farwatch::check::check::Guest for Exported {
            fn describe() -> $crate::wit::exports::farwatch::check::check::Description {
                use $crate::Check;
                $crate::wit::exports::farwatch::check::check::Description {
                    name: <$check>::NAME.to_owned(),
                    version: <$check>::VERSION.to_owned(),
                    summary: <$check>::SUMMARY.to_owned(),
                    config_schema: $crate::exported::schema::<$check>(),
                    capabilities: <$check>::CAPABILITIES.iter().map(|&name| name.to_owned()).collect(),
                }
            }

            fn validate(
                config: String,
            ) -> Result<$crate::wit::exports::farwatch::check::check::Prepared, Vec<$crate::Problem>> {
                let config = $crate::exported::judged::<$check>(config)?;
                Ok($crate::wit::exports::farwatch::check::check::Prepared { config })
            }

            fn run(
                context: $crate::wit::exports::farwatch::check::check::RunContext,
            ) -> Result<$crate::Outcome, $crate::Problem> {
                use $crate::Check;
                let config = $crate::exported::reread::<$check>(&context.config)?;
                let context = $crate::Context {
                    check_id: context.check_id,
                    slot_ms: context.slot_ms,
                    now_ms: context.now_ms,
                    attempt: context.attempt,
                    timeout_ms: context.timeout_ms,
                };
                <$check>::run(&config, &context)
            }
        }

        $crate::wit::export!(Exported with_types_in $crate::wit);
    };
}
