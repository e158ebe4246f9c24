/* timeline.js - the timeline as a canvas. */
