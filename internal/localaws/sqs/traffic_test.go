package sqs

import "testing"

func TestTrafficOfTheLastMinute(t *testing.T) {
	var m meter
	const start = int64(1_700_000_000_000)
	for second := range int64(200) { // more than the ring has places
		m.add(start+second*1000+999, int(second))
	}
	m.add(start, 0)
	perSecond, total := m.read(start + 199*1000)
	if total != 199*200/2 {
		t.Errorf("total %d", total)
	}
	// The second under way (199) is not told yet; 198 is the last whole one.
	for i, n := range perSecond {
		if want := int64(198 - (TrafficSeconds - 1) + i); n != want {
			t.Errorf("place %d has %d, want %d", i, n, want)
		}
	}
	// What is long past is not told, whichever place it was in.
	if perSecond, _ := m.read(start + 10_000*1000); len(perSecond) != TrafficSeconds || perSecond[0]+perSecond[30]+perSecond[59] != 0 {
		t.Errorf("hours later: %v", perSecond)
	}
}
