package sqs

import "time"

// Metrics of namespace AWS/SQS (developer guide, "Available CloudWatch metrics
// for Amazon SQS"), with the dimension QueueName.
const (
	metricSent          = "NumberOfMessagesSent"
	metricSentSize      = "SentMessageSize" // bytes
	metricReceived      = "NumberOfMessagesReceived"
	metricEmptyReceives = "NumberOfEmptyReceives"
	metricDeleted       = "NumberOfMessagesDeleted"
	metricVisible       = "ApproximateNumberOfMessagesVisible"
	metricInFlight      = "ApproximateNumberOfMessagesNotVisible"
	metricDelayed       = "ApproximateNumberOfMessagesDelayed"
	metricOldest        = "ApproximateAgeOfOldestMessage" // seconds
)

// poison is how many receives make a message that does not count as the oldest
// any more (in the same page, ApproximateAgeOfOldestMessage).
const poison = 3

func dimensionsOf(q *queue) map[string]string { return map[string]string{"QueueName": q.Name} }

// sample puts the metrics that SQS reports each minute. There is no age where no
// message counts.
func (s *Service) sample() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Clock.Now()
	for _, q := range s.queues {
		s.expire(q, now)
		state, dimensions := q.state(now), dimensionsOf(q)
		s.options.Metric(metricVisible, dimensions, float64(state.Visible))
		s.options.Metric(metricInFlight, dimensions, float64(state.InFlight))
		s.options.Metric(metricDelayed, dimensions, float64(state.Delayed))
		var oldest time.Duration
		for _, m := range q.messages {
			if m.here < poison {
				oldest = max(oldest, now.Sub(m.arrived))
			}
		}
		if oldest > 0 {
			s.options.Metric(metricOldest, dimensions, oldest.Seconds())
		}
	}
}
