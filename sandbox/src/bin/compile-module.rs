//! The compile child as a program of its own. See `farwatch_sandbox::compile_child`.

fn main() -> std::process::ExitCode {
    farwatch_sandbox::compile_child::main()
}
