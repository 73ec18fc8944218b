//! Every limit on what a module may be and what a call of it may take, each with its reason.
//!
//! There are two tiers. Which one a module is in follows from its bytes alone, so everybody judges it alike, and nobody
//! can ask for more than the module shows that it needs. The form of a guest's answers has limits of its own, which
//! stand in `wit/types.wit` for the authors of modules and are kept by `answer.rs`. Nothing here enforces anything.

use std::time::Duration;

/// How much a module and its runs may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// What is compiled for itself: Rust, C, Go.
    Small,
    /// What brings an interpreter: JavaScript, Python.
    Large,
}

/// A module of up to so many bytes is in the small tier. Go comes to about 2 MB, and an interpreter of JavaScript, the
/// smallest that anybody uses with WASI, to 12 MB.
const COMPILED_BYTES_MAX: usize = 4 << 20;

/// What the bytes of a module may be, and what making code of them may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ModuleLimits {
    /// The bytes of the module.
    pub(crate) bytes: usize,
    /// Address space of the compile child, in bytes.
    pub(crate) compile_memory: u64,
    /// CPU time of the compile child, in seconds. Its wall time is [`CompileCommand::WALL`](crate::CompileCommand::WALL).
    pub(crate) compile_cpu_s: u64,
}

impl Tier {
    /// The tiers, the smaller first.
    pub const ALL: [Self; 2] = [Self::Small, Self::Large];

    /// The tier of a module. An interpreter is known by its size, and by WASI, without which none is built: what is
    /// large and imports no WASI is a large program.
    pub(crate) fn of(bytes: usize, imports_wasi: bool) -> Self {
        if imports_wasi && bytes > COMPILED_BYTES_MAX { Self::Large } else { Self::Small }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
        }
    }

    pub(crate) const fn module(self) -> ModuleLimits {
        match self {
            // The `http` module takes 21 MiB and a quarter of a second; one of 16 MiB, at that rate, takes 1.5 GiB and
            // twenty seconds.
            Self::Small => ModuleLimits { bytes: 16 << 20, compile_memory: 2 << 30, compile_cpu_s: 60 },
            // Python with the libraries of an application has 40 MB, of which much is data.
            Self::Large => ModuleLimits { bytes: MODULE_BYTES_MAX, compile_memory: 4 << 30, compile_cpu_s: 100 },
        }
    }
}

/// The largest module of any tier, in bytes: what nobody needs to fetch or read more of.
pub const MODULE_BYTES_MAX: usize = 64 << 20;
/// Functions of one module, over all of its parts: in 16 MiB, functions of 160 bytes each. Python has a third of that.
pub(crate) const FUNCTIONS_MAX: u32 = 100_000;
/// One function's code, in bytes. Compilers take memory and time that grow faster than this. The loop of an interpreter
/// has a fifth of it.
pub(crate) const FUNCTION_BYTES_MAX: usize = 1 << 20;
/// Blocks within blocks in one function. The compiler's time grows with the square of it: 10,000 take a quarter of a
/// second, and 100,000, at that rate, twenty-five. The loop of an interpreter has some hundreds.
pub(crate) const BLOCK_DEPTH_MAX: u32 = 10_000;
/// Compiled code, in bytes. It is two or three times as large as its module.
pub(crate) const CODE_BYTES_MAX: u64 = 256 << 20;

/// Parts of one component. A Python component, the largest that is known, has 14 core instances.
pub(crate) const CORE_INSTANCES_MAX: u32 = 20;
/// Memories of one component. One is usual, and a second comes with an adapter.
pub(crate) const MEMORIES_MAX: u32 = 2;
/// Tables of one component.
pub(crate) const TABLES_MAX: u32 = 8;
/// The host's own notes on one instance, in bytes.
pub(crate) const INSTANCE_BYTES_MAX: usize = 1 << 20;

/// The most memory that a run can have, in bytes: 256 times what the largest built-in module has, and five times what
/// Python begins with. Of twice as much, one instruction that fills it, which nothing can interrupt, would take longer
/// than the 50 ms by which a guest may delay another.
pub(crate) const MEMORY_MAX: usize = 64 << 20;
/// The most elements that a table of any tier can have, of 8 bytes each.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 100_000;
/// How deep guests may call, in bytes of stack: wasmtime's own default. A runaway recursion ends quickly.
pub(crate) const WASM_STACK: usize = 512 << 10;

/// What a run gets beyond the timeout that its module was told, so that a module whose last probe ends exactly at the
/// timeout can still say so.
const GRACE: Duration = Duration::from_millis(150);

/// Requests of one run: every redirect that is followed, and a few more.
const FETCHES_MAX: u32 = 32;

/// Data that a guest may hand over in one call, in bytes: a request with the largest body, or the largest prepared
/// config, each several times over.
pub(crate) const HOSTCALL_BYTES_MAX: usize = 2 << 20;
/// Resources that a guest may hold: its connections, and its own.
pub(crate) const HANDLES_MAX: usize = 1_000;
/// Lines that are kept of one run. More are noise, which the first lines would have explained.
pub(crate) const LOG_LINES_MAX: usize = 64;
/// Bytes that are kept of one run's lines together.
pub(crate) const LOG_BYTES_MAX: usize = 16 << 10;
/// Randomness for one run, in bytes, as `wit/entropy.wit` promises.
pub(crate) const ENTROPY_MAX: usize = 64 << 10;

/// Resources of WASI that a guest may hold. Each of them may hold as much of a header or of a body as is allowed below.
pub(crate) const WASI_HANDLES_MAX: usize = 256;
/// What a guest may write to a stream of WASI at once, in bytes.
pub(crate) const STREAM_CHUNK_MAX: usize = 16 << 10;
/// The headers of one request or answer by `wasi:http` together, in bytes; servers take half of it.
pub(crate) const WEB_HEADERS_MAX: usize = 16 << 10;
/// The body of a request by `wasi:http`, in bytes: as much as the probe sends.
pub(crate) const WEB_BODY_MAX: usize = 1 << 20;

/// What a guest may send over one socket of WASI, in bytes: as much as over a connection of `tcp`. Whoever sends more makes
/// a load test.
pub(crate) const SOCKET_SENT_MAX: usize = 64 << 10;
/// What it may receive over one, in bytes: as much as of an answer by `http`.
pub(crate) const SOCKET_HEARD_MAX: usize = 1 << 20;

/// How much one call of a module may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From its start to its end. When it is too short, slow targets come out as unknown instead of down.
    pub wall: Duration,
    /// Of the guest alone, without the probes that the host makes for it. Counted in steps of 10 ms in which the guest
    /// was seen to compute, or longer ones where one instruction takes longer, so that a pause of the whole machine
    /// does not count; and of those times of computing that are too short to be seen so, all.
    pub cpu: Duration,
    /// All memories of the guest together, in bytes.
    pub memory_bytes: usize,
    /// The elements of all tables of the guest together.
    pub table_elements: usize,
    /// Probes. What is asked beyond is answered with the failure `fetch-limit`.
    pub fetches: u32,
}

impl Limits {
    /// For a run whose module is told that it has `timeout`.
    pub fn for_run(tier: Tier, timeout: Duration) -> Self {
        let wall = timeout + GRACE;
        match tier {
            Tier::Small => Self {
                wall,
                // Ten thousand times what the `http` module takes.
                cpu: Duration::from_millis(200),
                memory_bytes: MEMORY_MAX,
                // wasmtime's own default for one table.
                table_elements: 20_000,
                fetches: FETCHES_MAX,
            },
            Tier::Large => Self {
                wall,
                // A hundred times slower than what is compiled, an interpreter does in it what the small tier does in a
                // tenth of its own.
                cpu: Duration::from_secs(2),
                memory_bytes: MEMORY_MAX,
                // Spin gives as many to the interpreters that it runs.
                table_elements: TABLE_ELEMENTS_MAX,
                fetches: FETCHES_MAX,
            },
        }
    }

    /// What the module is told that it has.
    pub(crate) fn timeout(&self) -> Duration {
        self.wall.saturating_sub(GRACE)
    }

    /// For `describe` and `validate`, which no target can hold up and which make no probes.
    pub(crate) fn for_inspection(tier: Tier) -> Self {
        let (wall, cpu) = match tier {
            Tier::Small => (Duration::from_secs(2), Duration::from_millis(500)),
            Tier::Large => (Duration::from_secs(5), Duration::from_secs(2)),
        };
        Self { wall, cpu, fetches: 0, ..Self::for_run(tier, wall) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_follows_from_size_and_wasi() {
        for (bytes, imports_wasi, tier) in [
            (57 << 10, false, Tier::Small),
            (57 << 10, true, Tier::Small),
            (COMPILED_BYTES_MAX, true, Tier::Small),
            (COMPILED_BYTES_MAX + 1, false, Tier::Small),
            (COMPILED_BYTES_MAX + 1, true, Tier::Large),
            (12 << 20, true, Tier::Large),
            (MODULE_BYTES_MAX + 1, true, Tier::Large),
        ] {
            assert_eq!(Tier::of(bytes, imports_wasi), tier, "{bytes}, {imports_wasi}");
        }
    }

    #[test]
    fn no_tier_has_more_than_the_engine_has_room_for() {
        for tier in Tier::ALL {
            let limits = Limits::for_run(tier, Duration::from_secs(1));
            assert!(limits.memory_bytes <= MEMORY_MAX && limits.table_elements <= TABLE_ELEMENTS_MAX);
            assert!(tier.module().bytes <= MODULE_BYTES_MAX);
        }
    }
}
