//! The compile child for this crate's tests, which are no program that could start itself under another word.

fn main() -> std::process::ExitCode {
    farwatch_sandbox::compile_child::main()
}
