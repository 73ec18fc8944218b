//! The allocator of an instance that lives for one run: it hands out memory from the front and never takes any back.
//!
//! It keeps no lists, so a run touches only the pages its own data needs. What it hands out first is a part of the memory
//! that an instance begins with, so that a good run need not make it grow. It refuses to reuse what was freed: the
//! whole memory is thrown away after the run, and the host's limit stops a run that asks for too much.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::{Cell, UnsafeCell};
use core::ptr;

/// The size of a page of WASM memory, in bytes.
const PAGE: usize = 65_536;

/// What good runs of most modules allocate, in bytes. Growing its memory costs an instance 10 us, which is more than all else
/// that the `http` module does in a run.
const ROOM: usize = 6 << 10;

/// What is handed out first: it lies with the static data, and is not written in the module.
struct Room(UnsafeCell<[u8; ROOM]>);

// SAFETY: the module is built without threads, so nothing ever shares it.
unsafe impl Sync for Room {}

static FIRST: Room = Room(UnsafeCell::new([0; ROOM]));

unsafe extern "C" {
    /// Set by the linker to the first byte after the static data.
    static __heap_base: u8;
}

/// See the file's documentation.
pub struct Bump {
    /// The first free address; 0 before the first allocation.
    next: Cell<usize>,
}

// SAFETY: the module is built without threads, so nothing ever shares it.
unsafe impl Sync for Bump {}

impl Bump {
    /// An allocator that has handed out nothing yet.
    pub const fn new() -> Self {
        Self { next: Cell::new(0) }
    }

    fn first_free(&self) -> usize {
        match self.next.get() {
            0 => FIRST.0.get() as usize,
            next => next,
        }
    }

    /// Where a block can begin. What goes beyond the room lies behind all static data, and so does all that comes later.
    fn place(first_free: usize, layout: Layout) -> usize {
        let start = first_free.next_multiple_of(layout.align());
        if Self::leaves_room(start, layout.size()) {
            (&raw const __heap_base as usize).next_multiple_of(layout.align())
        } else {
            start
        }
    }

    /// Whether a block that begins in the room would end elsewhere.
    fn leaves_room(start: usize, size: usize) -> bool {
        let end_of_room = FIRST.0.get() as usize + ROOM;
        start <= end_of_room && size > end_of_room - start
    }

    /// Moves the border of what is handed out to `end`, growing the memory where it must.
    fn claim(&self, end: usize) -> bool {
        let have = core::arch::wasm32::memory_size::<0>() * PAGE;
        if end > have {
            let missing = (end - have).div_ceil(PAGE);
            if core::arch::wasm32::memory_grow::<0>(missing) == usize::MAX {
                return false;
            }
        }
        self.next.set(end);
        true
    }
}

// SAFETY: every allocation starts at or after the end of the one before it, inside the memory that exists.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = Self::place(self.first_free(), layout);
        match start.checked_add(layout.size()) {
            Some(end) if self.claim(end) => start as *mut u8,
            _ => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let is_last = block as usize + layout.size() == self.next.get();
        if is_last && !Self::leaves_room(block as usize, size) {
            let grown = (block as usize).checked_add(size).is_some_and(|end| self.claim(end));
            return if grown { block } else { ptr::null_mut() };
        }
        if size <= layout.size() {
            return block;
        }
        // SAFETY: the caller keeps the rules of `realloc`, so the layout with the new size is valid, and the old block
        // holds at least as many bytes as are copied.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size());
            }
            moved
        }
    }
}
