"""Made-up film titles for the embedded sample: two words in the colour of the film's first genre, and a year."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# genre: (what kind, what); every pair is a title, so a genre has len(kind) * len(what) * len(FRAMES) of them
WORDS = {
    "Drama": (
        "Quiet Broken Distant Winter Borrowed Paper Unsent Salt Late Ordinary Patient Hollow",
        "Harbour Daughters Orchard Letters Seasons House Bridge Garden Promise Window River Silence",
    ),
    "Comedy": (
        "Reluctant Clumsy Perfect Accidental Cheerful Second-Best Overdressed Honest Sunday Unlikely Merry Spare",
        "Waiter Neighbours Wedding Landlord Holiday Impostor Butcher Piano Cousins Umbrella Recipe Mayor",
    ),
    "Action": (
        "Iron Burning Final Midnight Savage Steel Double Hard Rapid Black Zero Ninth",
        "Convoy Runner Vengeance Strike Wolf Frontier Hammer Protocol Sentinel Pursuit Canyon Storm",
    ),
    "Thriller": (
        "Second Cold Missing Blind Silent Hidden Narrow Wrong Locked Crooked Sleepless Borrowed",
        "Witness Corridor Signal Alibi Passenger Verdict Stranger Cipher Footprint Ransom Staircase Motive",
    ),
    "Romance": (
        "Tender April Lisbon Scarlet Foolish Autumn Velvet First Moonlit Gentle Wild Faraway",
        "Hearts Waltz Kiss Postcards Serenade Balcony Lovers Rain Rendezvous Roses Confession Ferry",
    ),
    "Sci-Fi": (
        "Last Orbital Crystal Electric Lunar Infinite Parallel Frozen Hollow Seventh Glass Drifting",
        "Colony Machine Horizon Android Equation Comet Archive Satellite Paradox Engine Voyager Nebula",
    ),
    "Horror": (
        "Whispering Drowned Crimson Buried Hungry Endless Pale Rotten Grinning Forgotten Screaming Thirteenth",
        "Cellar Lantern Marsh Children Mirror Chapel Scarecrow Harvest Tomb Doll Fog Hour",
    ),
    "Animation": (
        "Little Flying Curious Brave Tiny Golden Bouncing Sleepy Magic Whistling Upside-Down Lucky",
        "Hedgehog Kite Dragon Penguin Clockmaker Balloon Robot Owl Lighthouse Acorn Teapot Comet",
    ),
}
GENRES = tuple(WORDS)
FRAMES = ("{kind} {what}", "The {kind} {what}", "{kind} {what} II", "Return of the {kind} {what}")


def film_titles(genres: npt.NDArray[np.bool_], rng: np.random.Generator) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Titles such as 'The Quiet Harbour (1994)' and their years, for `genres` of shape (n_films, len(GENRES)).

    Within a genre no title comes twice before all pairs of words are used up; then a frame is added.
    """
    years = 2000 - np.minimum(rng.exponential(9.0, len(genres)), 75).astype(np.int64)
    titles = [""] * len(genres)
    first = np.argmax(genres, axis=1)
    for g, (kinds, whats) in enumerate(WORDS.values()):
        pairs = [(k, w) for k in kinds.split() for w in whats.split()]
        order = rng.permutation(len(pairs))
        for n, film in enumerate(np.flatnonzero(first == g)):
            kind, what = pairs[order[n % len(pairs)]]
            frame = FRAMES[(n % len(pairs) % 2 + n // len(pairs)) % len(FRAMES)]
            titles[film] = f"{frame.format(kind=kind, what=what)} ({years[film]})"
    return titles, years
