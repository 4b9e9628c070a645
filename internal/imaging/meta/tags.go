package meta

// Tags of Exif 2.32 that are kept; all others are left behind: positions, thumbnails,
// makers' notes, comments, serial numbers, owners' names, unique ids, and what a program
// that writes the file anew has to say itself (sizes, orientation, pointers).

const (
	tagArtist    = 0x013b
	tagCopyright = 0x8298
	tagCamera    = 0x8769 // pointer to the directory of the taking
)

// mainTags are kept of the first directory.
var mainTags = map[uint16]string{
	0x010e: "ImageDescription", 0x010f: "Make", 0x0110: "Model", 0x0131: "Software", 0x0132: "DateTime",
	tagArtist: "Artist", tagCopyright: "Copyright",
}

// cameraTags are kept of the directory of the taking.
var cameraTags = map[uint16]string{
	0x829a: "ExposureTime", 0x829d: "FNumber", 0x8822: "ExposureProgram", 0x8827: "PhotographicSensitivity",
	0x8830: "SensitivityType", 0x9000: "ExifVersion", 0x9003: "DateTimeOriginal", 0x9004: "DateTimeDigitized",
	0x9010: "OffsetTime", 0x9011: "OffsetTimeOriginal", 0x9012: "OffsetTimeDigitized",
	0x9201: "ShutterSpeedValue", 0x9202: "ApertureValue", 0x9203: "BrightnessValue", 0x9204: "ExposureBiasValue",
	0x9205: "MaxApertureValue", 0x9206: "SubjectDistance", 0x9207: "MeteringMode", 0x9208: "LightSource",
	0x9209: "Flash", 0x920a: "FocalLength", 0x9290: "SubSecTime", 0x9291: "SubSecTimeOriginal", 0x9292: "SubSecTimeDigitized",
	0xa217: "SensingMethod", 0xa300: "FileSource", 0xa301: "SceneType", 0xa401: "CustomRendered", 0xa402: "ExposureMode",
	0xa403: "WhiteBalance", 0xa404: "DigitalZoomRatio", 0xa405: "FocalLengthIn35mmFilm", 0xa406: "SceneCaptureType",
	0xa407: "GainControl", 0xa408: "Contrast", 0xa409: "Saturation", 0xa40a: "Sharpness", 0xa40c: "SubjectDistanceRange",
	0xa432: "LensSpecification", 0xa433: "LensMake", 0xa434: "LensModel",
}

// typeSizes are the sizes in bytes of TIFF's types of values.
var typeSizes = map[uint16]int{1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8}
