package sample

import "testing"

// A course keeps the points that it would have taken had it known how long the time would be.
func TestALongCourseHasWiderDistances(t *testing.T) {
	c := &Course{Every: 0.5}
	for i := range 1000 {
		if every := int(c.Every / 0.5); (i+1)%every == 0 {
			c.add(int64(i+1), i+1)
		}
	}
	if c.Every != 4 || len(c.RSS) != 125 || len(c.Files) != len(c.RSS) {
		t.Fatalf("%v s, %d and %d points; want 4 s, 125", c.Every, len(c.RSS), len(c.Files))
	}
	for i, v := range c.RSS {
		if want := int64(c.At(i).Seconds() / 0.5); v != want || c.Files[i] != int(want) {
			t.Errorf("point %d at %v is %d, %d; want %d", i, c.At(i), v, c.Files[i], want)
		}
	}
}
