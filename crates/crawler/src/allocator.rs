//! What the system's allocator keeps for itself.

use std::thread::available_parallelism;

/// Cores for each arena of the allocator.
const CORES_PER_ARENA: usize = 2;

/// Has glibc make an arena for every two cores at most; called before any thread is started.
///
/// By itself it makes up to eight per core, each of which keeps what its threads freed: on two cores a crawl takes a
/// quarter more memory for it (130 against 105 MiB) and is no faster. Small blocks come from each thread's own cache
/// either way.
pub fn bound_arenas() {
    let cores = available_parallelism().map_or(1, usize::from);
    let arenas = i32::try_from(cores / CORES_PER_ARENA).unwrap_or(i32::MAX).max(1);
    set_arenas_max(arenas);
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the C library is told by a call that Rust cannot check")]
fn set_arenas_max(arenas: i32) {
    // SAFETY: it sets a number that malloc reads, takes no pointer, and no other thread runs yet. Should the library
    // refuse, all stays as it was.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, arenas);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn set_arenas_max(_: i32) {}
