//! All points within a radius: what holds is decided in double precision, as F7 says.

use std::fmt;

use crate::DIMENSIONS;

/// Beyond, squares leave the range of single precision: such balls are looked at one by one.
pub(crate) const FARTHEST: f64 = 1e18;
/// Below, squares vanish in single precision, or lose their digits.
const SMALLEST_SURE: f64 = 1e-15;

/// All points whose Euclidean distance from the centre, in 64-bit floats, is at most the radius (F7).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ball {
    center: [f64; DIMENSIONS],
    radius: f64,
}

/// A centre or a radius that makes no ball.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NotABall {
    /// A coordinate of the centre that is not finite.
    Center {
        /// Which of the eight.
        axis: usize,
        /// What came.
        came: f64,
    },
    /// A radius that is negative or not finite.
    Radius {
        /// What came.
        came: f64,
    },
}

impl fmt::Display for NotABall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Center { axis, came } => write!(f, "center[{axis}] must be finite, got {came}"),
            Self::Radius { came } => write!(f, "radius must be finite and at least 0, got {came}"),
        }
    }
}

impl std::error::Error for NotABall {}

impl Ball {
    /// A ball, if its numbers are finite and its radius is not negative.
    pub fn new(center: [f64; DIMENSIONS], radius: f64) -> Result<Self, NotABall> {
        if let Some(axis) = center.iter().position(|x| !x.is_finite()) {
            let came = center[axis];
            return Err(NotABall::Center { axis, came });
        }
        if !(radius.is_finite() && radius >= 0.0) {
            return Err(NotABall::Radius { came: radius });
        }
        // Both zeros are one place.
        let center = center.map(|x| x + 0.0);
        Ok(Self {
            center,
            radius: radius + 0.0,
        })
    }

    /// Its centre.
    pub fn center(&self) -> &[f64; DIMENSIONS] {
        &self.center
    }

    /// Its radius.
    pub fn radius(&self) -> f64 {
        self.radius
    }

    /// Whether it holds `point`; one that is not finite is in no ball.
    pub fn holds(&self, point: &[f64; DIMENSIONS]) -> bool {
        let mut sum = 0.0;
        for (x, center) in point.iter().zip(&self.center) {
            let offset = x - center;
            sum += offset * offset;
        }
        sum.sqrt() <= self.radius
    }

    /// What equal balls have in common, bit by bit.
    pub(crate) fn key(&self) -> [u64; DIMENSIONS + 1] {
        let mut key = [self.radius.to_bits(); DIMENSIONS + 1];
        for (bits, x) in key.iter_mut().zip(&self.center) {
            *bits = x.to_bits();
        }
        key
    }

    /// The centre's coordinate that is farthest from nought.
    fn farthest(&self) -> f64 {
        self.center.iter().fold(0.0_f64, |far, x| far.max(x.abs()))
    }

    /// How far from the centre a point may seem to lie that it holds, both rounded to single precision.
    pub(crate) fn reach(&self) -> Option<f32> {
        let farthest = self.farthest();
        let reach = self.radius * 1.000_01 + farthest * 1e-6;
        (farthest <= FARTHEST && reach <= FARTHEST).then(|| narrow(reach).next_up())
    }

    /// How far it may seem to lie at most to be held whatever the rounding did: a hair of the radius for the sum, and of the
    /// coordinates for their own; `None` where there is no such distance, or its square leaves single precision.
    pub(crate) fn sure(&self) -> Option<f32> {
        let sure = self.radius * 0.999_99 - self.farthest() * 1e-6;
        (sure >= SMALLEST_SURE).then(|| narrow(sure).next_down())
    }
}

/// In single precision.
#[allow(clippy::cast_possible_truncation)] // rounding is what is asked for
pub(crate) fn narrow(x: f64) -> f32 {
    x as f32
}
