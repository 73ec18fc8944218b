//! What a module is, said once: its name and what it needs, how it judges configs, and how it makes a run.

use crate::wit::exports::farwatch::check::check::RunContext;
use crate::wit::farwatch::check::types::{Outcome, Problem};

/// A check module. [`export`](crate::export) makes a component of one.
pub trait Check {
    /// A short lower case word.
    const NAME: &'static str;
    /// The version of the module; that of its package.
    const VERSION: &'static str;
    /// What it checks, as one sentence.
    const SUMMARY: &'static str;
    /// The probes that it asks for.
    const CAPABILITIES: &'static [&'static str];

    /// The JSON Schema of its config.
    fn schema() -> String;

    /// Judges a config, and prepares it for the runs.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>>;

    /// Looks at the target once.
    ///
    /// # Errors
    /// Why nothing can be said of the target.
    fn run(context: &RunContext) -> Result<Outcome, Problem>;
}

/// Exports a [`Check`] as the treaty wants it.
#[macro_export]
macro_rules! export {
    ($check:ty) => {
        struct Exported;

        impl $crate::wit::exports::farwatch::check::check::Guest for Exported {
            fn describe() -> $crate::wit::exports::farwatch::check::check::Description {
                use $crate::check::Check;
                $crate::wit::exports::farwatch::check::check::Description {
                    name: <$check>::NAME.to_owned(),
                    version: <$check>::VERSION.to_owned(),
                    summary: <$check>::SUMMARY.to_owned(),
                    config_schema: <$check>::schema(),
                    capabilities: <$check>::CAPABILITIES.iter().map(|&name| name.to_owned()).collect(),
                }
            }

            fn validate(
                config: String,
            ) -> Result<
                $crate::wit::exports::farwatch::check::check::Prepared,
                Vec<$crate::wit::farwatch::check::types::Problem>,
            > {
                use $crate::check::Check;
                let prepared = <$check>::validate(&config)?;
                Ok($crate::wit::exports::farwatch::check::check::Prepared { config: prepared })
            }

            fn run(
                context: $crate::wit::exports::farwatch::check::check::RunContext,
            ) -> Result<
                $crate::wit::farwatch::check::types::Outcome,
                $crate::wit::farwatch::check::types::Problem,
            > {
                use $crate::check::Check;
                <$check>::run(&context)
            }
        }

        $crate::wit::export!(Exported with_types_in $crate::wit);
    };
}
