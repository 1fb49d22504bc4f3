//! What all pictures have in common: colours, letters, a light page. Knows no figure.

use std::io;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// The page is light wherever it is shown: it brings its background along.
pub const PAPER: RGBColor = RGBColor(255, 255, 255);
/// Words and axes.
pub const INK: RGBColor = RGBColor(31, 35, 40);
/// Words of less weight.
pub const PALE: RGBColor = RGBColor(89, 99, 110);
/// Lines behind everything.
pub const GRID: RGBColor = RGBColor(216, 222, 228);
pub const BLUE: RGBColor = RGBColor(9, 105, 218);
pub const RED: RGBColor = RGBColor(207, 34, 46);
pub const GREEN: RGBColor = RGBColor(26, 127, 55);
pub const PURPLE: RGBColor = RGBColor(130, 80, 223);

/// Where is drawn.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// Whether it could be.
pub type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

/// A picture of this size in pixels, as SVG.
pub fn svg(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String, String> {
    let mut svg = String::new();
    let drawn = {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&PAPER).and_then(|()| draw(&root)).and_then(|()| root.present())
    };
    drawn.map(|()| svg).map_err(|error| format!("cannot draw the picture: {error}"))
}

/// Letters of this height and colour, that begin, are centred or end at their place, and stand in the middle of it.
pub fn letters(height: u32, colour: RGBColor, at: HPos) -> TextStyle<'static> {
    ("sans-serif", height).into_font().color(&colour).pos(Pos::new(at, VPos::Center))
}

/// A word beside a patch of its colour. Says where the next one may stand.
pub fn legend(
    area: &Area<'_>,
    (x, y): (i32, i32),
    name: &str,
    colour: RGBColor,
) -> Result<i32, DrawingAreaErrorKind<io::Error>> {
    area.draw(&Rectangle::new([(x, y - 5), (x + 14, y + 6)], colour.filled()))?;
    area.draw(&Text::new(name, (x + 20, y), letters(13, INK, HPos::Left)))?;
    Ok(x + 20 + 8 * name.chars().count() as i32 + 18) // a letter is narrower than that
}

#[cfg(test)]
pub mod tests {
    /// Whether each element that begins also ends, and the whole is one.
    pub fn is_well_formed(svg: &str) -> bool {
        let mut open: Vec<&str> = Vec::new();
        let tags = svg.split('<').skip(1).filter_map(|rest| rest.split('>').next());
        for tag in tags {
            let name = tag.split_whitespace().next().unwrap_or_default();
            match name.strip_prefix('/') {
                Some(name) if open.pop() != Some(name) => return false,
                Some(_) => {}
                None if tag.ends_with('/') => {}
                None => open.push(name),
            }
        }
        open.is_empty() && svg.starts_with("<svg ") && svg.ends_with("</svg>\n")
    }

    #[test]
    fn what_is_open_is_not_well_formed() {
        assert!(is_well_formed("<svg a=\"b\">\n<g>\n<rect/>\n</g>\n</svg>\n"));
        assert!(!is_well_formed("<svg a=\"b\">\n<g>\n<rect/>\n</svg>\n"));
        assert!(!is_well_formed("<svg a=\"b\">\n<g>"));
    }
}
