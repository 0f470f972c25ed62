// A room under load, by LiveKit's Go SDK: speakers that send numbered packets, listeners that count them and their delay.
//
// It prints one JSON line when everyone is in, begins to measure at the first line of its input, prints a line at the end
// of the window and one with the results.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"math/rand"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/logger"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

const (
	frame      = 20 * time.Millisecond
	stampBytes = 4 + 2 + 4 + 8 // check sum, speaker, number, time
	loudLevel  = 15
	quietLevel = 70
)

var (
	url       = flag.String("url", "", "address of the server")
	key       = flag.String("key", "", "API key")
	secret    = flag.String("secret", "", "its secret")
	speakers  = flag.Int("speakers", 3, "members that send")
	loud      = flag.Int("loud", 0, "how many of them are loud; 0: all")
	listeners = flag.Int("listeners", 30, "members that listen")
	window    = flag.Duration("window", 5*time.Second, "how long to measure")
	abreast   = flag.Int("abreast", 4, "joins at a time")
	churn     = flag.Int("churn", 0, "during the window: members that join, hear and leave, one after another in each of abreast places")
	single    = flag.Bool("single", false, "one peer connection for each member")
	seed      = flag.Int64("seed", 1, "of the packets' lengths")
)

// Window is what is counted: packets sent between its ends, in nanoseconds of the wall clock.
type Window struct{ from, until atomic.Int64 }

// Counts are those of one listener.
type Counts struct {
	delivered, foreign int64
	delays             []uint32 // µs
}

func main() {
	flag.Parse()
	logger.InitFromConfig(&logger.Config{Level: "error"}, "load")
	lksdk.SetLogger(logger.GetLogger())
	var (
		measured   Window
		subscribed atomic.Int64
		mutex      sync.Mutex
		counts     []*Counts
	)
	measured.from.Store(1 << 62)
	hear := func(track *webrtc.TrackRemote, _ *lksdk.RemoteTrackPublication, _ *lksdk.RemoteParticipant) {
		subscribed.Add(1)
		own := &Counts{}
		mutex.Lock()
		counts = append(counts, own)
		mutex.Unlock()
		go own.read(track, &measured)
	}
	tracks := make([]*lksdk.LocalTrack, *speakers)
	for i := range tracks {
		tracks[i] = join(fmt.Sprintf("speaker-%d", i), nil, true)
	}
	tell("speaking", *speakers)
	gate := make(chan struct{}, *abreast)
	var joining sync.WaitGroup
	for i := 0; i < *listeners; i++ {
		gate <- struct{}{}
		joining.Add(1)
		go func() {
			defer joining.Done()
			join(fmt.Sprintf("listener-%d", i), hear, false)
			<-gate
		}()
	}
	joining.Wait()
	stop := make(chan struct{})
	sent := make([]atomic.Int64, *speakers)
	for i, track := range tracks {
		go speak(i, track, &measured, &sent[i], stop)
	}
	expected := int64(*speakers * *listeners)
	for deadline := time.Now().Add(60 * time.Second); subscribed.Load() < expected && *loud == 0 && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(time.Second)
	tell("joined", subscribed.Load())
	bufio.NewReader(os.Stdin).ReadString('\n')
	measured.until.Store(1 << 62)
	measured.from.Store(time.Now().UnixNano())
	begun := time.Now()
	comeAndGo(*churn)
	time.Sleep(time.Until(begun.Add(*window)))
	measured.until.Store(time.Now().UnixNano())
	tell("ended", 0)
	time.Sleep(1500 * time.Millisecond)
	close(stop)
	report(counts, sent)
}

func tell(event string, value any) {
	line, _ := json.Marshal(map[string]any{"event": event, "value": value})
	fmt.Println(string(line))
}

type hearing = func(*webrtc.TrackRemote, *lksdk.RemoteTrackPublication, *lksdk.RemoteParticipant)

func join(identity string, hear hearing, speaks bool) *lksdk.LocalTrack {
	_, track := enter(identity, hear, speaks)
	return track
}

func enter(identity string, hear hearing, speaks bool) (*lksdk.Room, *lksdk.LocalTrack) {
	options := []lksdk.ConnectOption{
		lksdk.WithAutoSubscribe(!speaks), lksdk.WithConnectTimeout(60 * time.Second), lksdk.WithDisableRegionDiscovery(),
	}
	if *single {
		options = append(options, lksdk.WithSinglePeerConnection())
	}
	info := lksdk.ConnectInfo{APIKey: *key, APISecret: *secret, RoomName: "load", ParticipantIdentity: identity}
	callback := &lksdk.RoomCallback{ParticipantCallback: lksdk.ParticipantCallback{OnTrackSubscribed: hear}}
	room, err := lksdk.ConnectToRoom(*url, info, callback, options...)
	if err != nil {
		panic(identity + ": " + err.Error())
	}
	if !speaks {
		return room, nil
	}
	track, err := lksdk.NewLocalTrack(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2})
	if err != nil {
		panic(err)
	}
	_, err = room.LocalParticipant.PublishTrack(track, &lksdk.TrackPublicationOptions{
		Name: "load", Source: livekit.TrackSource_MICROPHONE, DisableDTX: true,
	})
	if err != nil {
		panic(err)
	}
	return room, track
}

// comeAndGo joins so many members, each of whom leaves when a packet has come.
func comeAndGo(members int) {
	var done sync.WaitGroup
	var number atomic.Int64
	for i := 0; i < *abreast; i++ {
		done.Add(1)
		go func() {
			defer done.Done()
			for next := number.Add(1); next <= int64(members); next = number.Add(1) {
				heard := make(chan struct{})
				var once sync.Once
				hear := func(*webrtc.TrackRemote, *lksdk.RemoteTrackPublication, *lksdk.RemoteParticipant) {
					once.Do(func() { close(heard) })
				}
				room, _ := enter(fmt.Sprintf("guest-%d", next), hear, false)
				select {
				case <-heard:
				case <-time.After(20 * time.Second):
					panic("a guest heard nothing")
				}
				room.Disconnect()
			}
		}()
	}
	done.Wait()
}

// speak sends 50 packets a second of 80 to 160 bytes, its phase spread over the 20 ms.
func speak(number int, track *lksdk.LocalTrack, measured *Window, sent *atomic.Int64, stop chan struct{}) {
	chance := rand.New(rand.NewSource(*seed + int64(number)))
	level := uint8(loudLevel)
	if *loud > 0 && number >= *loud {
		level = quietLevel
	}
	next := time.Now().Add(time.Duration(number) * frame / time.Duration(*speakers))
	for counted := uint32(0); ; counted++ {
		select {
		case <-stop:
			return
		case <-time.After(time.Until(next)):
		}
		next = next.Add(frame)
		payload := make([]byte, 80+chance.Intn(81))
		payload[stampBytes] = 0xf8
		now := time.Now().UnixNano()
		binary.BigEndian.PutUint16(payload[4:], uint16(number))
		binary.BigEndian.PutUint32(payload[6:], counted)
		binary.BigEndian.PutUint64(payload[10:], uint64(now))
		binary.BigEndian.PutUint32(payload, crc32.ChecksumIEEE(payload[4:]))
		options := &lksdk.SampleWriteOptions{AudioLevel: &level}
		if err := track.WriteSample(media.Sample{Data: payload, Duration: frame}, options); err != nil {
			panic(err)
		}
		if now >= measured.from.Load() && now < measured.until.Load() {
			sent.Add(1)
		}
	}
}

func (c *Counts) read(track *webrtc.TrackRemote, measured *Window) {
	buffer := make([]byte, 1500)
	for {
		length, _, err := track.Read(buffer)
		if err != nil {
			return
		}
		payload := payloadOf(buffer[:length])
		if len(payload) == 0 {
			continue // padding alone
		}
		if len(payload) < stampBytes || binary.BigEndian.Uint32(payload) != crc32.ChecksumIEEE(payload[4:]) {
			c.foreign++
			continue
		}
		sent := int64(binary.BigEndian.Uint64(payload[10:]))
		if sent >= measured.from.Load() && sent < measured.until.Load() {
			c.delivered++
			c.delays = append(c.delays, uint32((time.Now().UnixNano()-sent)/1000))
		}
	}
}

// payloadOf is an RTP packet without header, extensions and padding.
func payloadOf(packet []byte) []byte {
	if len(packet) < 12 {
		return nil
	}
	start := 12 + 4*int(packet[0]&0x0f)
	if packet[0]&0x10 != 0 && len(packet) >= start+4 {
		start += 4 + 4*int(binary.BigEndian.Uint16(packet[start+2:]))
	}
	end := len(packet)
	if packet[0]&0x20 != 0 {
		end -= int(packet[end-1])
	}
	if start > end {
		return nil
	}
	return packet[start:end]
}

func report(counts []*Counts, sent []atomic.Int64) {
	var delivered, foreign, total int64
	delays := []uint32{}
	for _, one := range counts {
		delivered += one.delivered
		foreign += one.foreign
		delays = append(delays, one.delays...)
	}
	audible := len(sent)
	if *loud > 0 {
		audible = *loud
	}
	for i := range sent[:audible] {
		total += sent[i].Load()
	}
	sort.Slice(delays, func(i, j int) bool { return delays[i] < delays[j] })
	at := func(share float64) float64 {
		if len(delays) == 0 {
			return 0
		}
		return float64(delays[int(float64(len(delays)-1)*share)]) / 1000
	}
	line, _ := json.Marshal(map[string]any{
		"event": "results", "delivered": delivered, "expected": total * int64(*listeners), "foreign": foreign,
		"p50_ms": at(0.5), "p99_ms": at(0.99),
	})
	fmt.Println(string(line))
}
