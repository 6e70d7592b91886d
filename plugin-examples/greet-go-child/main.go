// Greet: adds one header, named by its configuration, to every request and its response.
//
// A child process of the proxy, written straight on its protocol (abi/process) with grpc-go. The
// proxy hands it a socket that listens already and says the rest on its standard input. It never
// touches bodies and never waits. Start reading at run, then session.go.
package main

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"mortise/abi/process/pluginv1"
)

const (
	// The version of the bootstrap that is spoken here.
	bootstrapVersion = 1
	// The parameters have some hundred bytes.
	parametersBytesMax = 64 * 1024
	// More than the proxy sends at once.
	messageBytesMax = 64 * 1024 * 1024
	// What a proxy that is gone leaves behind: nothing that is worth a longer wait.
	stopTimeout = time.Second
)

func main() {
	// The proxy takes every line of the standard error as one of the plugin's log.
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(os.Stdin); err != nil {
		logger.Error("greet ends", "error", err)
		os.Exit(1)
	}
}

// run serves until the proxy wants no more, or is gone.
func run(input io.Reader) error {
	parameters, err := readParameters(input)
	if err != nil {
		return fmt.Errorf("this program is a plugin and is started by the proxy: %w", err)
	}
	listener, err := listen(parameters)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(messageBytesMax))
	pluginv1.RegisterPluginServer(server, &plugin{token: parameters.GetToken()})

	// Ctrl-C in a terminal is meant for the proxy, which then ends its plugins in order.
	signal.Ignore(syscall.SIGINT)
	terminated, forget := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer forget()
	go func() {
		// The input says nothing more; its end says that there is no proxy any more.
		_, _ = io.Copy(io.Discard, input)
		forget()
	}()
	go func() {
		<-terminated.Done()
		hurry := time.AfterFunc(stopTimeout, server.Stop)
		defer hurry.Stop()
		server.GracefulStop()
	}()
	return server.Serve(listener)
}

// readParameters reads what the proxy says first: a length of 4 bytes, least first, and a message.
func readParameters(input io.Reader) (*pluginv1.BootstrapParams, error) {
	var length uint32
	if err := binary.Read(input, binary.LittleEndian, &length); err != nil {
		return nil, fmt.Errorf("no parameters on the standard input: %w", err)
	}
	if length > parametersBytesMax {
		return nil, fmt.Errorf("parameters of %d bytes", length)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(input, text); err != nil {
		return nil, fmt.Errorf("the parameters are cut short: %w", err)
	}
	parameters := new(pluginv1.BootstrapParams)
	if err := proto.Unmarshal(text, parameters); err != nil {
		return nil, fmt.Errorf("the parameters cannot be read: %w", err)
	}
	if version := parameters.GetVersion(); version != bootstrapVersion {
		return nil, fmt.Errorf("version %d of the bootstrap is spoken, not %d", bootstrapVersion, version)
	}
	if parameters.GetNetwork() == "tcp" && parameters.GetToken() == "" {
		return nil, errors.New("a TCP socket without a token is open to everybody on this machine")
	}
	return parameters, nil
}

// listen takes the socket over that the proxy made.
func listen(parameters *pluginv1.BootstrapParams) (net.Listener, error) {
	file := os.NewFile(uintptr(parameters.GetListenerFd()), parameters.GetAddress())
	if file == nil {
		return nil, fmt.Errorf("%d is no file descriptor", parameters.GetListenerFd())
	}
	defer file.Close()
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("file descriptor %d: %w", parameters.GetListenerFd(), err)
	}
	return listener, nil
}

// plugin is the service of the protocol.
type plugin struct {
	pluginv1.UnimplementedPluginServer
	token string
}

// Session answers one batch of replies for each batch of events, in order.
func (p *plugin) Session(stream pluginv1.Plugin_SessionServer) error {
	if !p.admits(stream.Context()) {
		return status.Error(codes.Unauthenticated, "not the token that this plugin was started with")
	}
	// The proxy sees that the session stands before it has said anything.
	if err := stream.SendHeader(nil); err != nil {
		return err
	}
	session := newSession()
	for !session.over() {
		batch, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var answers pluginv1.ToHost
		for _, event := range batch.GetEvents() {
			if reply := session.onEvent(event); reply != nil {
				answers.Replies = append(answers.Replies, reply)
			}
		}
		if len(answers.Replies) == 0 {
			continue
		}
		if err := stream.Send(&answers); err != nil {
			return err
		}
	}
	return nil
}

// admits says whether a session comes from the proxy that started this program.
func (p *plugin) admits(ctx context.Context) bool {
	if p.token == "" {
		return true
	}
	tokens := metadata.ValueFromIncomingContext(ctx, "mortise-token")
	return len(tokens) == 1 && subtle.ConstantTimeCompare([]byte(tokens[0]), []byte(p.token)) == 1
}
