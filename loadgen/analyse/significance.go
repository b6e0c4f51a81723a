package analyse

import (
	"cmp"
	"math"
	"slices"

	"github.com/aclements/go-moremath/mathx"
	"github.com/aclements/go-moremath/stats"

	"github.com/adit-tunnel/adit/loadgen/record"
)

// Alpha is the p below which a difference is significant.
const Alpha = 1 - confidence

// leastPaired is the smallest p that SignedRank can give n differences: all point the same way.
func leastPaired(n int) float64 { return min(math.Pow(2, float64(1-n)), 1) }

// leastApart is the smallest p that MannWhitney can give samples of these sizes: all of one are above all of the other.
func leastApart(a, b int) float64 { return min(2*math.Exp(-mathx.Lchoose(a+b, a)), 1) }

// MannWhitney is the p of two independent samples having the same
// distribution, exact up to fifty values a side; 1 when nothing can be said.
func MannWhitney(a, b []float64) float64 {
	r, err := stats.MannWhitneyUTest(a, b, stats.LocationDiffers)
	if err != nil { // a sample is empty, or all values are the same
		return 1
	}
	return r.P
}

// exactPairs is up to how many pairs the p of SignedRank is exact.
const exactPairs = 60

// SignedRank is the p of differences within pairs being as often and as far
// above zero as below: Wilcoxon's test. Zeros say nothing and are left out.
func SignedRank(differences []float64) float64 {
	d := slices.DeleteFunc(slices.Clone(differences), func(v float64) bool { return v == 0 })
	n := len(d)
	if n == 0 {
		return 1
	}
	slices.SortFunc(d, func(a, b float64) int { return cmp.Compare(math.Abs(a), math.Abs(b)) })
	ranks, up := make([]int, n), 0 // twice the ranks: those of ties are halves
	for i := 0; i < n; {
		j := i
		for j < n && math.Abs(d[j]) == math.Abs(d[i]) {
			j++
		}
		for k := i; k < j; k++ {
			if ranks[k] = i + j + 1; d[k] > 0 {
				up += ranks[k]
			}
		}
		i = j
	}
	total, squares := 0, 0
	for _, r := range ranks {
		total, squares = total+r, squares+r*r
	}
	far := min(up, total-up)
	if n > exactPairs {
		z := (float64(far) - float64(total)/2 + 1) / math.Sqrt(float64(squares)/4)
		return min(2*stats.StdNormal.CDF(z), 1)
	}
	tail := 0.0
	for _, p := range sums(ranks)[:far+1] {
		tail += p
	}
	return min(2*tail, 1)
}

// sums is how likely each sum of the positive ranks is when all signs are.
func sums(ranks []int) []float64 {
	out := []float64{1}
	for _, r := range ranks {
		next := make([]float64, len(out)+r)
		for s, p := range out {
			next[s], next[s+r] = next[s]+p/2, next[s+r]+p/2
		}
		out = next
	}
	return out
}

// Centre is the middle of differences within pairs: the median of the averages
// of any two of them (Hodges and Lehmann), with the interval that belongs to
// SignedRank. It is narrower than that of the median, as it takes the
// differences to spread alike to both sides.
func Centre(differences []float64) record.Estimate {
	n := len(differences)
	if n == 0 {
		return record.Estimate{}
	}
	var d []float64
	for i, x := range differences {
		for _, y := range differences[i:] {
			d = append(d, (x+y)/2)
		}
	}
	slices.Sort(d)
	m := len(d)
	middle := (d[(m-1)/2] + d[m/2]) / 2
	ranks := make([]int, n)
	for i := range ranks {
		ranks[i] = i + 1
	}
	k, tail := 0, 0.0
	for _, p := range sums(ranks) {
		if tail += p; tail > Alpha/2 {
			break
		}
		k++
	}
	if k == 0 {
		return bounded(n, middle, math.Inf(-1), math.Inf(1))
	}
	return bounded(n, middle, d[k-1], d[m-k])
}

// Holm makes the p of several tests comparable with Alpha again: the chance of
// even one false alarm among them all stays below it. The order stays.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	out, least := make([]float64, len(p)), 0.0
	for k, i := range order {
		least = max(least, min(p[i]*float64(len(p)-k), 1))
		out[i] = least
	}
	return out
}

// Shift is by how much b is above a: the median of all differences between one
// of b and one of a (Hodges and Lehmann), with the interval that belongs to
// Mann–Whitney. N is the size of the smaller sample.
func Shift(a, b []float64) record.Estimate {
	if len(a) == 0 || len(b) == 0 {
		return record.Estimate{}
	}
	var d []float64
	for _, x := range a {
		for _, y := range b {
			d = append(d, y-x)
		}
	}
	slices.Sort(d)
	n := len(d)
	out := (d[(n-1)/2] + d[n/2]) / 2
	u, k := stats.UDist{N1: len(a), N2: len(b)}, 0
	for k < n/2 && u.CDF(float64(k)) <= Alpha/2 {
		k++
	}
	if k == 0 { // not even the farthest differences are rare enough
		return bounded(min(len(a), len(b)), out, math.Inf(-1), math.Inf(1))
	}
	return bounded(min(len(a), len(b)), out, d[k-1], d[n-k])
}

// Chance is how likely it is that of n things, each of which happens with
// probability p, k or more do.
func Chance(k, n int, p float64) (sum float64) {
	d := stats.BinomialDist{N: n, P: min(p, 1)}
	for i := max(k, 0); i <= n; i++ {
		sum += d.PMF(float64(i))
	}
	return min(sum, 1)
}
