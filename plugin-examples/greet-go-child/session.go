package main

import (
	"fmt"
	"slices"

	"google.golang.org/grpc"

	"mortise/abi/process/pluginv1"
)

const (
	pluginVersion = "0.1.0"
	// The version of the protocol that is spoken here.
	protocolVersion = 1
	// Which callbacks are wanted: the heads of request and response.
	phases = 1<<0 | 1<<3
)

// session is what one worker of the proxy has here.
type session struct {
	generation uint32
	// Uses of the plugin, by number.
	instances map[uint64]instance
	// The instance of each stream.
	contexts map[uint64]uint64
	draining bool
}

// instance is one use of the plugin, with its configuration.
type instance struct {
	header, value []byte
}

func newSession() *session {
	return &session{instances: map[uint64]instance{}, contexts: map[uint64]uint64{}}
}

// over is true where the proxy drains this child and the last stream is complete.
func (s *session) over() bool {
	return s.draining && len(s.contexts) == 0
}

// onEvent answers one event of the proxy, or none.
func (s *session) onEvent(event *pluginv1.Event) *pluginv1.Reply {
	switch kind := event.GetKind().(type) {
	case *pluginv1.Event_Headers:
		return &pluginv1.Reply{Kind: &pluginv1.Reply_Answer{Answer: s.onHeaders(kind.Headers)}}
	case *pluginv1.Event_Open:
		s.contexts[kind.Open.GetContext()] = kind.Open.GetInstance()
	case *pluginv1.Event_Complete:
		delete(s.contexts, kind.Complete.GetContext())
	case *pluginv1.Event_Hello:
		return &pluginv1.Reply{Kind: &pluginv1.Reply_Hello{Hello: s.onHello(kind.Hello)}}
	case *pluginv1.Event_Configure:
		configured := s.onConfigure(kind.Configure)
		return &pluginv1.Reply{Kind: &pluginv1.Reply_Configured{Configured: configured}}
	case *pluginv1.Event_Release:
		delete(s.instances, kind.Release.GetInstance())
	case *pluginv1.Event_Ping:
		pong := &pluginv1.Pong{Number: kind.Ping.GetNumber()}
		return &pluginv1.Reply{Kind: &pluginv1.Reply_Pong{Pong: pong}}
	case *pluginv1.Event_Drain:
		s.draining = true
	}
	// Whatever else there is was not asked for, or is newer than this plugin.
	return nil
}

// onHello says which version is spoken: 0 where the proxy and this plugin have none in common.
func (s *session) onHello(hello *pluginv1.Hello) *pluginv1.HelloBack {
	s.generation = hello.GetGeneration()
	back := &pluginv1.HelloBack{
		Generation:     s.generation,
		Name:           "greet",
		PackageVersion: pluginVersion,
		Sdk:            "grpc-go " + grpc.Version,
	}
	if slices.Contains(hello.GetVersions(), protocolVersion) {
		back.Version = protocolVersion
	}
	return back
}

// onConfigure starts the plugin for one use of it, or says why it does not serve this use.
func (s *session) onConfigure(configure *pluginv1.Configure) *pluginv1.Configured {
	configured := &pluginv1.Configured{Instance: configure.GetInstance()}
	if configure.GetPoint() != pluginv1.Point_STREAM_FILTER {
		configured.Error = "greet is a filter of streams only"
		return configured
	}
	header, value, err := parse(configure.GetConfig())
	if err != nil {
		configured.Error = fmt.Sprintf("bad configuration: %v", err)
		return configured
	}
	s.instances[configure.GetInstance()] = instance{header: []byte(header), value: []byte(value)}
	configured.Phases = phases
	return configured
}

// onHeaders sets the header; what was there before gives way.
func (s *session) onHeaders(headers *pluginv1.Headers) *pluginv1.Answer {
	answer := &pluginv1.Answer{
		Generation: s.generation,
		Context:    headers.GetContext(),
		Exchange:   headers.GetExchange(),
	}
	number, open := s.contexts[headers.GetContext()]
	use, started := s.instances[number]
	if !open || !started {
		why := fmt.Sprintf("the context %d is not open", headers.GetContext())
		answer.Verdict = &pluginv1.Verdict{Go: pluginv1.Go_FAILED, Error: why}
		return answer
	}
	section := pluginv1.Section_REQUEST_HEADERS
	if headers.GetSide() == pluginv1.Side_RESPONSE {
		section = pluginv1.Section_RESPONSE_HEADERS
	}
	set := &pluginv1.FieldChange{Section: section, Name: use.header, Value: use.value}
	answer.Changes = []*pluginv1.Change{{Kind: &pluginv1.Change_Set{Set: set}}}
	answer.Verdict = &pluginv1.Verdict{Go: pluginv1.Go_CONTINUE}
	return answer
}
