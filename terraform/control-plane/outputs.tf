output "api_url" {
  description = "Where the API answers, to callers that sign with IAM."
  value       = aws_cloudformation_stack.home.outputs["ApiUrl"]
}

output "home" {
  description = "What the home stack made: place, table, bucket, topics."
  value       = aws_cloudformation_stack.home.outputs
}

output "places" {
  description = "What the stack of each data region made, by region."
  value       = { for region, stack in aws_cloudformation_stack.place : region => stack.outputs }
}

output "alarms_topic_arn" {
  description = "Where alarms are published: subscribe to it."
  value       = aws_cloudformation_stack.home.outputs["AlarmsTopic"]
}
