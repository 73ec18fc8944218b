//! `farwatch completions`: the words of this program, for a shell.

use clap::Args;
use clap_complete::Shell;

use crate::exit::Failure;
use crate::{command, output};

/// Print what completes these words in a shell
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  farwatch completions bash > /etc/bash_completion.d/farwatch")]
pub(crate) struct CompletionsArgs {
    /// Which shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl CompletionsArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command(), "farwatch", &mut script);
        output::print(&String::from_utf8_lossy(&script))
    }
}
