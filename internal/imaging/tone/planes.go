package tone

// Planes is a program as it acts on the planes of a JPEG: for a pixel of luma Y, with
// chroma C of either kind as it stands in the file (128 is none),
//
//	Y' = Luma[Y],  C' = Keep · C + Blue[Y] or Red[Y].
//
// It is the same picture as Apply makes, but for what RGB cannot show: there, Apply works
// on a pixel whose channels were cut off, and Planes on the pixel as it is stored.
type Planes struct {
	Keep      float64 // 0 to 1; 0: the result is a function of luma alone
	Luma      [256]uint8
	Blue, Red [256]float64 // 0 to 255
}

// Planes returns the program for planes; ok is false where it has a step that needs RGB.
func (p *Program) Planes() (m Planes, ok bool) {
	m.Keep = 1
	for y := range m.Luma {
		m.Luma[y] = uint8(y)
	}
	for _, s := range p.steps {
		c, ok := s.(interface{ planes() Planes })
		if !ok {
			return Planes{}, false
		}
		m = m.then(c.planes())
	}
	return m, true
}

// then is n after m.
func (m Planes) then(n Planes) Planes {
	r := Planes{Keep: m.Keep * n.Keep}
	for y := range r.Luma {
		at := m.Luma[y]
		r.Luma[y] = n.Luma[at]
		r.Blue[y] = n.Keep*m.Blue[y] + n.Blue[at]
		r.Red[y] = n.Keep*m.Red[y] + n.Red[at]
	}
	return r
}

func (c *curve) planes() (m Planes) {
	for y, t := range c.exact {
		l, blue, red := ycc(t)
		m.Luma[y], m.Blue[y], m.Red[y] = uint8(l+0.5), min(255, blue), min(255, red)
	}
	return m
}

func (m *mixedCurve) planes() (p Planes) {
	p.Keep = float64(m.keep[255]) / (255 * one)
	strength := 1 - p.Keep
	for y := range p.Luma {
		var t [3]float64 // of the curve at full strength
		for i, v := range m.add[y] {
			t[i] = float64(v-half) / one / strength
		}
		l, blue, red := ycc(t)
		p.Luma[y] = uint8(p.Keep*float64(y) + strength*l + 0.5)
		p.Blue[y], p.Red[y] = strength*min(255, blue), strength*min(255, red)
	}
	return p
}

// ycc is JPEG's YCbCr (ITU-T T.871, 7) of a colour.
func ycc(c [3]float64) (y, blue, red float64) {
	y = 0.299*c[0] + 0.587*c[1] + 0.114*c[2]
	return y, 128 + (c[2]-y)/1.772, 128 + (c[0]-y)/1.402
}
