terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }
}

provider "aws" {
  region = "eu-central-1"
}

variable "functions" {
  description = "The folder with the zips of the functions."
  type        = string
  default     = "../../../../target/lambda"
}

module "porpoise" {
  source = "../.."

  home_region  = "eu-central-1"
  data_regions = ["eu-central-1", "us-east-1"]
  functions    = var.functions
}

resource "aws_sns_topic_subscription" "alarms" {
  topic_arn = module.porpoise.alarms_topic_arn
  protocol  = "email"
  endpoint  = "data-team@example.org"
}

output "api_url" {
  value = module.porpoise.api_url
}
