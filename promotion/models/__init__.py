"""What may run where, what was asked for, and what agents say they do."""

from promotion.models.agents import Agent, AgentReport, JoinToken, ServingInterval, Telling
from promotion.models.comments import Comment
from promotion.models.deployments import Deployment
from promotion.models.evidence import DarkSeen, DarkTally, PredictionBatch
from promotion.models.findings import Finding
from promotion.models.incidents import Incident
from promotion.models.latencies import LatencySlot
from promotion.models.live_reviews import LiveReview
from promotion.models.placements import Placement
from promotion.models.policy_requests import PolicyApproval, PolicyRequest
from promotion.models.pulses import Pulse
from promotion.models.requests import Approval, Request, Review
from promotion.models.rollouts import Rollout, RolloutStep
from promotion.models.targets import DesiredState, Policy, Target
from promotion.models.waivers import Waiver
from promotion.models.webhooks import Delivery, Webhook

__all__ = [
    "Agent",
    "AgentReport",
    "Approval",
    "Comment",
    "DarkSeen",
    "DarkTally",
    "Delivery",
    "Deployment",
    "DesiredState",
    "Finding",
    "Incident",
    "JoinToken",
    "LatencySlot",
    "LiveReview",
    "Placement",
    "Policy",
    "PolicyApproval",
    "PolicyRequest",
    "PredictionBatch",
    "Pulse",
    "Request",
    "Review",
    "Rollout",
    "RolloutStep",
    "ServingInterval",
    "Target",
    "Telling",
    "Waiver",
    "Webhook",
]
