package main

import (
	"strings"
	"testing"

	"mortise/abi/process/pluginv1"
)

func hello(versions ...uint32) *pluginv1.Event {
	hello := &pluginv1.Hello{Versions: versions, Generation: 3}
	return &pluginv1.Event{Kind: &pluginv1.Event_Hello{Hello: hello}}
}

func configure(config string) *pluginv1.Event {
	configure := &pluginv1.Configure{Instance: 7, Config: []byte(config)}
	return &pluginv1.Event{Kind: &pluginv1.Event_Configure{Configure: configure}}
}

func open(context uint64) *pluginv1.Event {
	open := &pluginv1.Open{Instance: 7, Context: context}
	return &pluginv1.Event{Kind: &pluginv1.Event_Open{Open: open}}
}

func headers(context uint64, side pluginv1.Side) *pluginv1.Event {
	headers := &pluginv1.Headers{Context: context, Exchange: 5, Side: side}
	return &pluginv1.Event{Kind: &pluginv1.Event_Headers{Headers: headers}}
}

func complete(context uint64) *pluginv1.Event {
	complete := &pluginv1.Complete{Context: context}
	return &pluginv1.Event{Kind: &pluginv1.Event_Complete{Complete: complete}}
}

// begun is a session with one use of the plugin.
func begun() *session {
	s := newSession()
	s.onEvent(hello(1))
	s.onEvent(configure(configuration))
	return s
}

func TestBothHeadsGetTheHeader(t *testing.T) {
	s := begun()
	s.onEvent(open(40))
	for side, section := range map[pluginv1.Side]pluginv1.Section{
		pluginv1.Side_REQUEST:  pluginv1.Section_REQUEST_HEADERS,
		pluginv1.Side_RESPONSE: pluginv1.Section_RESPONSE_HEADERS,
	} {
		answer := s.onEvent(headers(40, side)).GetAnswer()
		set := answer.GetChanges()[0].GetSet()
		if answer.GetGeneration() != 3 || answer.GetContext() != 40 || answer.GetExchange() != 5 {
			t.Error(answer)
		}
		if set.GetSection() != section || string(set.GetName()) != "x-greeting" || string(set.GetValue()) != "hello" {
			t.Error(set)
		}
	}
}

func TestContextsThatAreNotOpenFailAlone(t *testing.T) {
	release := &pluginv1.Event{Kind: &pluginv1.Event_Release{Release: &pluginv1.Release{Instance: 7}}}
	for _, before := range [][]*pluginv1.Event{
		nil,
		{open(1), complete(1)},
		{open(1), release},
	} {
		s := begun()
		for _, event := range before {
			s.onEvent(event)
		}
		if verdict := s.onEvent(headers(1, pluginv1.Side_REQUEST)).GetAnswer().GetVerdict(); verdict.GetGo() != pluginv1.Go_FAILED {
			t.Error(verdict)
		}
		s.onEvent(configure(configuration))
		s.onEvent(open(2))
		if verdict := s.onEvent(headers(2, pluginv1.Side_REQUEST)).GetAnswer().GetVerdict(); verdict.GetGo() != pluginv1.Go_CONTINUE {
			t.Error(verdict)
		}
	}
}

func TestPingsAreAnsweredAndWhatIsUnknownIsNot(t *testing.T) {
	s := begun()
	if pong := s.onEvent(&pluginv1.Event{Kind: &pluginv1.Event_Ping{Ping: &pluginv1.Ping{Number: 9}}}).GetPong(); pong.GetNumber() != 9 {
		t.Error(pong)
	}
	for _, event := range []*pluginv1.Event{nil, {}, {Kind: &pluginv1.Event_Tick{}}, {Kind: &pluginv1.Event_Open{}}} {
		if reply := s.onEvent(event); reply != nil {
			t.Error(reply)
		}
	}
}

func TestNoCommonVersionIsSaid(t *testing.T) {
	if back := newSession().onEvent(hello(2)).GetHello(); back.GetVersion() != 0 {
		t.Error(back)
	}
}

func TestOtherUsesAndConfigurationsAreRefused(t *testing.T) {
	network := configure(configuration)
	network.GetConfigure().Point = pluginv1.Point_NETWORK_FILTER
	for said, event := range map[string]*pluginv1.Event{
		"streams only":  network,
		"unknown field": configure(`{"header": "x", "value": "y", "valu": "z"}`),
		"are needed":    configure(`{"header": "x"}`),
		"lower-case":    configure(`{"header": "X", "value": "y"}`),
		"no header":     configure(`{"header": "x", "value": "a\nb"}`),
		"EOF":           configure(""),
	} {
		configured := newSession().onEvent(event).GetConfigured()
		if !strings.Contains(configured.GetError(), said) || configured.GetPhases() != 0 {
			t.Errorf("%s: %v", said, configured)
		}
	}
}
