# What the module asks of AWS, planned by the real Terraform against a provider that knows the schema and nothing else.

variables {
  home_region  = "eu-central-1"
  data_regions = ["eu-central-1", "us-east-1"]
  functions    = "./tests/functions"
}

run "a_stack_at_home_and_one_in_each_data_region" {
  command = plan

  assert {
    condition     = aws_cloudformation_stack.home.region == "eu-central-1" && aws_cloudformation_stack.home.name == "porpoise-home"
    error_message = "The home stack is not at home."
  }

  assert {
    condition     = { for key, stack in aws_cloudformation_stack.place : key => stack.region } == { eu-central-1 = "eu-central-1", us-east-1 = "us-east-1" }
    error_message = "There is not one place in each data region."
  }

  assert {
    condition     = toset(aws_cloudformation_stack.home.capabilities) == toset(["CAPABILITY_NAMED_IAM"])
    error_message = "Roles with names need the capability, and nothing needs another."
  }
}

run "zips_and_templates_lie_in_the_region_that_needs_them_and_in_no_other" {
  command = plan

  assert {
    condition = toset(keys(aws_s3_object.function)) == toset([
      "eu-central-1/api", "eu-central-1/stepper", "eu-central-1/trigger",
      "eu-central-1/dispatcher", "eu-central-1/poller", "us-east-1/dispatcher", "us-east-1/poller",
    ])
    error_message = "Zips: ${join(", ", keys(aws_s3_object.function))}."
  }

  assert {
    condition     = toset(keys(aws_s3_object.template)) == toset(["eu-central-1/home", "eu-central-1/place", "us-east-1/place"])
    error_message = "Templates: ${join(", ", keys(aws_s3_object.template))}."
  }

  assert {
    condition     = alltrue([for object in values(aws_s3_object.template) : length(object.content) < 1000000])
    error_message = "CloudFormation takes templates of at most a megabyte from a bucket."
  }
}

run "the_stacks_get_every_parameter_that_their_templates_have_and_no_other" {
  command = apply

  assert {
    condition     = toset(keys(aws_cloudformation_stack.home.parameters)) == toset(keys(jsondecode(file("./templates/home.json")).Parameters))
    error_message = "Home gets ${join(", ", keys(aws_cloudformation_stack.home.parameters))}."
  }

  assert {
    condition     = toset(keys(aws_cloudformation_stack.place["us-east-1"].parameters)) == toset(keys(jsondecode(file("./templates/place.json")).Parameters))
    error_message = "A place gets ${join(", ", keys(aws_cloudformation_stack.place["us-east-1"].parameters))}."
  }

  assert {
    condition = jsondecode(aws_cloudformation_stack.home.parameters["Buses"]) == {
      "aws.us-east-1.111122223333" = "arn:aws:events:us-east-1:111122223333:event-bus/porpoise"
    }
    error_message = "Buses: ${aws_cloudformation_stack.home.parameters["Buses"]}."
  }

  assert {
    condition     = join(",", values(jsondecode(aws_cloudformation_stack.home.parameters["Buses"]))) == aws_cloudformation_stack.home.parameters["BusArns"]
    error_message = "The stepper may send to other buses than it knows."
  }

  assert {
    condition     = aws_cloudformation_stack.home.parameters["PollerArns"] == "arn:aws:lambda:us-east-1:111122223333:function:porpoise-poller"
    error_message = "Logs are read through ${aws_cloudformation_stack.home.parameters["PollerArns"]}."
  }

  assert {
    condition     = aws_cloudformation_stack.home.parameters["HomeIsPlace"] == "yes"
    error_message = "Home is a data region here, so its dispatcher is invoked."
  }

  assert {
    condition     = aws_cloudformation_stack.home.parameters["ReserveConcurrency"] == "yes"
    error_message = "Concurrency is reserved unless somebody says no."
  }

  assert {
    condition     = endswith(aws_s3_object.function["us-east-1/poller"].key, "/poller.zip") && startswith(aws_s3_object.function["us-east-1/poller"].key, aws_cloudformation_stack.place["us-east-1"].parameters["ArtefactPrefix"])
    error_message = "The stack looks for zips elsewhere than they lie."
  }
}

run "a_home_without_jobs_gets_no_place" {
  command = plan

  variables {
    data_regions = ["us-east-1"]
  }

  assert {
    condition     = join(",", keys(aws_cloudformation_stack.place)) == "us-east-1" && !contains(keys(aws_s3_object.function), "eu-central-1/poller")
    error_message = "Home is a place although nobody said so."
  }
}

run "what_cannot_be_meant_is_refused" {
  command = plan

  variables {
    name         = "Porpoise!"
    home_region  = "Frankfurt"
    data_regions = []
    architecture = "riscv"
  }

  expect_failures = [var.name, var.home_region, var.data_regions, var.architecture]
}
