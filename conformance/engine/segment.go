package engine

import (
	"fmt"
	"slices"
	"sync"
)

// A task is a case with the way in which its octets are cut.
type task struct {
	c   Case
	cut Cut
}

// cuts are the ways in which a case is run. Against a subject that runs
// elsewhere long waits would have to follow one another.
func (r *Runner) cuts(c Case) []Cut {
	if !r.Segmented || r.Role == API || c.Wait >= longWait && !r.Subject.Owned() {
		return Cuts[:1]
	}
	return Cuts[:]
}

// asWrittenFirst moves the tasks whose octets are not cut to the front: those
// of a case that fails so need not be cut any more.
func asWrittenFirst(tasks []task) {
	slices.SortStableFunc(tasks, func(a, b task) int {
		switch {
		case a.cut == AsWritten && b.cut != AsWritten:
			return -1
		case a.cut != AsWritten && b.cut == AsWritten:
			return 1
		}
		return 0
	})
}

// A collector joins the results of a case's tasks into one.
type collector struct {
	r    *Runner
	done func(Result)

	mu  sync.Mutex
	got map[string]map[Cut]Result // by case
}

func (k *collector) post(t task, res Result) {
	if res.Counts() && k.r.FailFast {
		k.r.stop(AfterFailure)
	}
	k.mu.Lock()
	all := k.got[t.c.Name()]
	if all == nil {
		all = map[Cut]Result{}
		k.got[t.c.Name()] = all
	}
	all[t.cut] = res
	complete := len(all) == len(k.r.cuts(t.c))
	if complete {
		delete(k.got, t.c.Name())
	}
	k.mu.Unlock()
	if complete {
		k.done(join(all))
	}
}

// settled reports whether cutting the octets of the case cannot change its verdict any more.
func (k *collector) settled(t task) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return t.cut != AsWritten && k.got[t.c.Name()][AsWritten].Verdict.Failed()
}

// join is the result of a case that was run in several ways: that of the
// octets as written, unless another way has a worse one, or the subject sent
// something else. Then the stream's pieces made a difference, which FRAME-006 forbids.
func join(all map[Cut]Result) Result {
	res := all[AsWritten]
	written := res
	for _, cut := range Cuts[1:] {
		other, ok := all[cut]
		switch {
		case !ok, other.Verdict == NotRun:
		case written.Verdict == NotRun: // nothing to compare with
			if !res.Verdict.Failed() {
				res = other
			}
		case res.Verdict.Failed():
			if !other.Verdict.Failed() {
				res.Notes = append(res.Notes, fmt.Sprintf("with the octets cut, %s: %s", cut, other.Verdict))
			}
		case other.Verdict.Failed():
			res = other.segmented("the verdict of the same octets as the case wrote them: "+string(written.Verdict), fmt.Sprintf("%s, with the octets cut: %s", other.Verdict, cut))
		case other.Verdict == Inconclusive, other.Verdict == SuiteError:
			res = other
		default:
			if expected, got := written.differs(other); got != "" {
				res = other.segmented(expected, got+"\n(+ with the octets cut: "+string(cut)+")")
			}
		}
	}
	for _, other := range all {
		if other.Started.Before(res.Started) {
			res.Started = other.Started
		}
	}
	return res
}

// segmented is the result with FRAME-006 charged.
func (res Result) segmented(expected, got string) Result {
	res.Verdict = Fail
	res.Findings = append(slices.Clip(res.Findings), Finding{
		Req: "FRAME-006", Level: "MUST", Aspect: Message,
		Sentence: "the stream's pieces make no difference", Expected: expected, Got: got,
	})
	return res
}

func (res Result) passed() bool {
	return (res.Verdict == Pass || res.Verdict == PassNonstrict) && res.outline != nil
}

// differs says how a pass differs from that of the octets as written; got is
// empty when it does not, or when a legal subject's may.
func (res Result) differs(cut Result) (expected, got string) {
	if res.Case.Races != "" || !res.passed() || !cut.passed() {
		return "", ""
	}
	if d := res.outline.difference(cut.outline); d != "" {
		return "what the subject sent for the same octets as the case wrote them (-)", d
	}
	if res.Verdict != cut.Verdict && max(res.Late, cut.Late) < starvedBy {
		return "the verdict of the same octets as the case wrote them: " + string(res.Verdict), string(cut.Verdict)
	}
	return "", ""
}
