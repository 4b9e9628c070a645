package vips

// OptimizedPixels is for encoders that are to write JPEGs as this package does.
const OptimizedPixels = optimizedPixels
