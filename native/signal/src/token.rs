//! One token: a point in the signal space that stays for a while.

use crate::vector::Vector;

/// Set while the token exists.
pub const ACTIVE: u8 = 1;
/// Set if nothing lay within the novelty radius when it came.
pub const NOVEL: u8 = 2;
/// Set if neighbours are looked for among tokens like this one while it is in the window.
pub const INDEXED: u8 = 4;

/// One cache line; the layout is that of signals.md §1.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub struct Token {
    /// As given, unscaled.
    pub pos: Vector,
    /// From 1, consecutive, never reused in a run; 0 = empty slot.
    pub id: u64,
    /// Wall clock, handed in by the caller of the crate.
    pub created_us: u64,
    /// `id − id of the nearest token when it came`; 0 = none.
    pub nearest_back: u32,
    /// +∞ = none within the radius.
    pub nearest_dist: f32,
    /// The application's, 1.0 by default.
    pub weight: f32,
    /// Interned name.
    pub event_type: u16,
    /// 0–255.
    pub priority: u8,
    /// `ACTIVE`, `NOVEL`, `INDEXED`.
    pub flags: u8,
}

const _: () = {
    assert!(size_of::<Token>() == 64 && align_of::<Token>() == 64);
    assert!(std::mem::offset_of!(Token, id) == 32);
    assert!(std::mem::offset_of!(Token, created_us) == 40);
    assert!(std::mem::offset_of!(Token, nearest_back) == 48);
    assert!(std::mem::offset_of!(Token, nearest_dist) == 52);
    assert!(std::mem::offset_of!(Token, weight) == 56);
    assert!(std::mem::offset_of!(Token, event_type) == 60);
    assert!(std::mem::offset_of!(Token, priority) == 62);
    assert!(std::mem::offset_of!(Token, flags) == 63);
};

impl Token {
    /// An empty slot.
    pub const EMPTY: Self = Self {
        pos: [0.0; 8],
        id: 0,
        created_us: 0,
        nearest_back: 0,
        nearest_dist: f32::INFINITY,
        weight: 1.0,
        event_type: 0,
        priority: 0,
        flags: 0,
    };

    /// Whether the token exists.
    pub fn is_active(&self) -> bool {
        self.flags & ACTIVE != 0
    }

    /// Whether nothing lay within the novelty radius when it came.
    pub fn is_novel(&self) -> bool {
        self.flags & NOVEL != 0
    }

    /// The token that was nearest when this one came, with its distance.
    pub fn nearest(&self) -> Option<(u64, f32)> {
        (self.nearest_back != 0)
            .then(|| (self.id - u64::from(self.nearest_back), self.nearest_dist))
    }
}
