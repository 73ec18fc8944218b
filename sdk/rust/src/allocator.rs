//! The allocator of an instance that lives for one run. What a plain run needs it takes from room that the instance begins
//! with, for having its memory grow costs ten microseconds, as much as all that a plain module does. All else is left to the
//! system's.
//!
//! It keeps no lists. Room that is given back is used again only where it was the last that was handed out.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};
use std::ptr;

/// What most runs need at once, in bytes.
const ROOM: usize = 16 << 10;

/// The room: it lies with the static data, and is not written in the module.
#[repr(align(16))]
struct Room(UnsafeCell<[u8; ROOM]>);

/// See the file's documentation.
pub(crate) struct RoomFirst {
    room: Room,
    /// How much of the room was handed out.
    used: Cell<usize>,
}

// SAFETY: modules are built without threads, so nothing ever shares it.
unsafe impl Sync for RoomFirst {}

impl RoomFirst {
    pub(crate) const fn new() -> Self {
        Self { room: Room(UnsafeCell::new([0; ROOM])), used: Cell::new(0) }
    }

    fn base(&self) -> *mut u8 {
        self.room.0.get().cast()
    }

    /// Where in the room a block begins, if it is there.
    fn place_of(&self, block: *mut u8) -> Option<usize> {
        (block as usize).checked_sub(self.base() as usize).filter(|place| *place < ROOM)
    }

    /// Takes a block from the room, if there is any left for it.
    fn take(&self, layout: Layout) -> Option<*mut u8> {
        let free = self.base() as usize + self.used.get();
        let place = self.used.get() + (free.next_multiple_of(layout.align()) - free);
        self.claim(place, layout.size()).then(|| {
            // SAFETY: the block lies in the room.
            unsafe { self.base().add(place) }
        })
    }

    /// Has a block of this size begin here, if it ends in the room.
    fn claim(&self, place: usize, size: usize) -> bool {
        let end = place.checked_add(size).filter(|end| place < ROOM && *end <= ROOM);
        end.inspect(|end| self.used.set(*end)).is_some()
    }
}

// SAFETY: every block from the room begins where the one before it ended or later, and ends in the room. All others are the
// system's, and go back to it.
unsafe impl GlobalAlloc for RoomFirst {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the rules of `alloc`.
        self.take(layout).unwrap_or_else(|| unsafe { System.alloc(layout) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match self.place_of(block) {
            Some(place) if place + layout.size() == self.used.get() => self.used.set(place),
            Some(_) => {}
            // SAFETY: what does not lie in the room is the system's.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(place) = self.place_of(block) else {
            // SAFETY: what does not lie in the room is the system's.
            return unsafe { System.realloc(block, layout, size) };
        };
        let is_last = place + layout.size() == self.used.get();
        if size <= layout.size() || (is_last && self.claim(place, size)) {
            return block;
        }
        // SAFETY: the caller keeps the rules of `realloc`, so the layout with the new size is valid, and the old block
        // holds at least as many bytes as are copied.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size());
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).expect("a layout")
    }

    #[test]
    fn blocks_come_from_the_room_one_after_another_as_long_as_they_fit() {
        let allocator = RoomFirst::new();
        // SAFETY: every block is used and given back by the layout that it was asked for by.
        unsafe {
            let first = allocator.alloc(layout(3, 1));
            let second = allocator.alloc(layout(8, 8));
            assert_eq!([first, second].map(|block| allocator.place_of(block)), [Some(0), Some(8)]);
            assert_eq!(second as usize % 8, 0);
            let large = allocator.alloc(layout(ROOM, 1));
            assert_eq!(allocator.place_of(large), None);
            large.write_bytes(7, ROOM);
            allocator.dealloc(large, layout(ROOM, 1));
            allocator.dealloc(second, layout(8, 8));
            assert_eq!(allocator.place_of(allocator.alloc(layout(1, 1))), Some(8), "the last is used again");
        }
    }

    #[test]
    fn a_block_that_grows_stays_or_takes_its_bytes_along() {
        let allocator = RoomFirst::new();
        // SAFETY: as above.
        unsafe {
            let block = allocator.alloc(layout(4, 4));
            block.copy_from(b"abcd".as_ptr(), 4);
            let longer = allocator.realloc(block, layout(4, 4), 100);
            assert_eq!(longer, block, "the last grows where it is");
            let _other = allocator.alloc(layout(1, 1));
            let moved = allocator.realloc(longer, layout(100, 4), 200);
            assert_ne!(moved, longer);
            assert_eq!(std::slice::from_raw_parts(moved, 4), b"abcd");
            let beyond = allocator.realloc(moved, layout(200, 4), 2 * ROOM);
            assert_eq!(allocator.place_of(beyond), None);
            assert_eq!(std::slice::from_raw_parts(beyond, 4), b"abcd");
            let last = allocator.realloc(beyond, layout(2 * ROOM, 4), 10);
            assert_eq!(std::slice::from_raw_parts(last, 4), b"abcd");
            allocator.dealloc(last, layout(10, 4));
        }
    }
}
